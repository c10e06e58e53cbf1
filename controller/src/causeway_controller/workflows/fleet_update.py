"""The systems of all appliances exchanged, one appliance after the other, whichever controller lives.

The order is made once and kept with the run: what serves nobody comes first, a tenant's together. Each
appliance must prove good before the next one begins, and the first that does not ends the run. What an
appliance runs is asked of itself, so whoever carries the run on goes on where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final

from causeway_controller.contract.requests import UpdateFleet
from causeway_controller.errors import AgentUnreachable, ControllerError, RunStopped
from causeway_controller.fleet import updates
from causeway_controller.fleet.client import AgentClient
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.inventory.health import IDLE, Deployed
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.run_record import Record
from causeway_controller.workflows.watch import access
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, TenantId

PATIENCE: Final = 600.0
"""Seconds that an appliance is waited for that another run changes."""
_POLL_SECONDS: Final = 1.0


class _LeftOut(ControllerError):  # noqa: N818 - a situation, not a defect
    """It serves a failover, which was begun while the update was on its way."""


class FleetUpdate:
    """`chores.Kind` of `requests.UpdateFleet`."""

    def __init__(
        self,
        *,
        appliances: Appliances,
        standings: Standings,
        runs: Runs,
        files: Callable[[str], Awaitable[UpdateFile]],
        clients: Callable[[ApplianceId, ManagementAccess], Awaitable[AgentClient]],
        in_charge: Callable[[], None],
        patience: float = PATIENCE,
        poll: float = _POLL_SECONDS,
        trial: updates.Trial = updates.USUAL,
    ) -> None:
        """`files` gives the update file of a build; raises ProblemError (`not-found`) when it is not here.

        `trial`: how long a new system may take to prove good.
        """
        self._appliances = appliances
        self._standings = standings
        self._runs = runs
        self._files = files
        self._clients = clients
        self._in_charge = in_charge
        self._patience = patience
        self._poll = poll
        self._trial = trial

    async def plan(self, asked: Run) -> Sequence[Unit]:
        """As `Kind.plan`; raises ProblemError (`not-found`) without the file, or without any appliance."""
        request = _request(asked)
        file = await self._files(request.build)
        there = await asyncio.to_thread(self._appliances.all)
        modes = await asyncio.to_thread(self._standings.all)
        busy = {place for place, standing in modes.items() if standing.mode.name != IDLE}
        serving = frozenset(one.id for one in there if (one.tenant, one.host) in busy)
        chosen = in_order(there, serving)
        if not request.interrupt:
            chosen = [one for one in chosen if one.id not in serving]
        if not chosen:
            detail = "no appliance is deployed that may be updated; see `causeway appliance list`"
            raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
        version = file.manifest.version
        return [
            Unit(name=f"{one.tenant}/{one.host}", sentence=f"Update appliance {one.id} to {version}")
            for one in chosen
        ]

    async def perform(self, record: Record, unit: Unit) -> Done:
        """As `Kind.perform`; raises UpdateFailed, AgentUnreachable, and what the appliance refuses."""
        request = _request(record.asked)
        tenant, _, host = unit.name.partition("/")
        file = await self._files(request.build)
        try:
            await self._refuse_serving(record, unit, interrupt=request.interrupt)
            one = await asyncio.to_thread(self._appliances.find, tenant, host)
            if one is None:
                return Done(detail="it is deployed no longer")
            agent = await self._clients(one.id, access(one))
            if record.taken_over:
                await self._reached(agent)
            self._in_charge()
            status = await updates.install(
                agent,
                file,
                seconds=self._trial.seconds,
                within=self._trial.within,
                allow_older=request.allow_older,
                may_restart=lambda: self._may_restart(record, unit, interrupt=request.interrupt),
            )
        except _LeftOut as left:
            return Done(detail=str(left))
        running = status.report(status.running)
        return Done(detail=f"it runs {running.version} in slot {status.running}")

    async def _may_restart(self, record: Record, unit: Unit, *, interrupt: bool) -> None:
        """As `_refuse_serving`, and still be in charge: sending the file may have taken an hour."""
        await self._refuse_serving(record, unit, interrupt=interrupt)
        self._in_charge()

    async def _refuse_serving(self, record: Record, unit: Unit, *, interrupt: bool) -> None:
        """Wait while a run changes the appliance; raise _LeftOut when it serves a failover then."""
        tenant, _, host = unit.name.partition("/")
        await self._until_free(record, unit, tenant, host)
        mode = (await asyncio.to_thread(self._standings.get, tenant, host)).mode
        if mode.name != IDLE and not interrupt:
            raise _LeftOut(f"left out: it serves a failover ({mode.name})")

    async def _until_free(self, record: Record, unit: Unit, tenant: TenantId, host: Name) -> None:
        """Wait while a run changes the appliance, and tell so.

        Raises ProblemError (`failover-in-progress`), and RunStopped when somebody asks for that meanwhile.
        """
        deadline, told = time.monotonic() + self._patience, False
        while True:
            try:
                await asyncio.to_thread(self._runs.refuse_open, tenant, host)
            except ProblemError as error:
                if time.monotonic() >= deadline:
                    raise
                if await record.stop_requested():
                    raise RunStopped(
                        unit.sentence, ControllerError("somebody asked for it"), (), ()
                    ) from error
                if not told:
                    record.waits(error.problem.detail, self._patience)
                    told = True
                await asyncio.sleep(self._poll)
            else:
                return

    async def _reached(self, agent: AgentClient) -> None:
        """Wait while it restarts: the controller before may have had it do so. Raises AgentUnreachable."""
        deadline = time.monotonic() + self._trial.silence
        while True:
            try:
                await agent.get_update()
            except AgentUnreachable:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(self._poll)
            else:
                return


def in_order(deployed: Iterable[Deployed], serving: Collection[ApplianceId]) -> list[Deployed]:
    """Those first whose tenant is served by none of its appliances now; one tenant after the other,
    gateways last.
    """
    there = list(deployed)
    busy = {one.tenant for one in there if one.id in serving}
    return sorted(there, key=lambda one: (one.gateway, one.tenant in busy, one.tenant, one.host))


def _request(asked: Run) -> UpdateFleet:
    return codec.decode(asked.request.encode(), UpdateFleet)
