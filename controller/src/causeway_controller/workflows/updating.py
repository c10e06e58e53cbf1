"""Systems of appliances exchanged, one appliance after the other; whoever dies, asking again goes on.

What an appliance runs is asked of itself, so nothing is remembered but the file, which lies in a directory of
this controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from causeway_controller.contract import requests
from causeway_controller.contract.appliances import Progress, StoredUpdate, UpdateProgress
from causeway_controller.contract.requests import UpdateFleet
from causeway_controller.errors import AgentUnreachable, ControllerError, StoreError
from causeway_controller.fleet import update_file, updates
from causeway_controller.fleet.client import AgentClient
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.inventory import health
from causeway_controller.inventory.health import IDLE, Deployed
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.runs import Runs
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.watch import access
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, TenantId
from causeway_wire.update import UpdateStatus

WAIT_SECONDS: Final = 20.0
"""For one answer about an update that goes on."""
OCTETS: Final = 512 * 1024 * 1024
"""The most that an update file has."""


class Updating:
    """Updates that this controller carries out; each as a task that outlives the request for it."""

    def __init__(
        self,
        *,
        directory: Path,
        appliances: Appliances,
        standings: Standings,
        runs: Runs,
        clients: Callable[[ApplianceId, ManagementAccess], Awaitable[AgentClient]],
        in_charge: Callable[[], None],
        now: Callable[[], datetime],
        wait: float = WAIT_SECONDS,
        trial: updates.Trial = updates.USUAL,
    ) -> None:
        """`wait`: seconds until it answers that an update goes on; `trial`: for it to prove good."""
        self._directory = directory
        self._appliances = appliances
        self._standings = standings
        self._runs = runs
        self._clients = clients
        self._in_charge = in_charge
        self._now = now
        self._wait = wait
        self._trial = trial
        self._coming = asyncio.Lock()
        self._tasks: dict[tuple[ApplianceId, str], asyncio.Task[UpdateStatus]] = {}

    async def close(self) -> None:
        """End what goes on: the appliances do not notice, and asking again goes on."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def store(self, chunks: AsyncIterator[bytes]) -> StoredUpdate:
        """Keep an update file in the place of the one before it.

        Raises ProblemError (`update-refused`, `too-large`) with the one before it kept.
        """
        async with self._coming:
            return await self._store(chunks)

    async def _store(self, chunks: AsyncIterator[bytes]) -> StoredUpdate:
        await asyncio.to_thread(self._directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        part = self._directory / "coming"
        octets = 0
        with part.open("wb") as file:
            async for chunk in chunks:
                octets += len(chunk)
                if octets > OCTETS:
                    detail = f"the limit is {OCTETS} octets"
                    raise ProblemError(problem(ProblemType.TOO_LARGE, detail))
                await asyncio.to_thread(file.write, chunk)
        try:
            found = await asyncio.to_thread(update_file.read, part)
        except StoreError as error:
            part.unlink()
            detail = "what was sent is no update file of Causeway; send causeway-VERSION.update"
            raise ProblemError(problem(ProblemType.UPDATE_REFUSED, detail)) from error
        part.replace(self._directory / f"{found.build}.update")
        wanted = {found.build, *await asyncio.to_thread(self._under_way)}
        for other in self._directory.glob("*.update"):
            if other.stem not in wanted:
                other.unlink()
        return StoredUpdate(build=found.build, version=found.manifest.version, octets=found.octets)

    async def update(
        self, tenant: TenantId, host: Name, *, build: str, allow_older: bool, interrupt: bool
    ) -> UpdateProgress:
        """Have the appliance run this build; how far that is. Asked for again, it tells and goes on.

        Raises ProblemError with nothing touched: `not-found` without the appliance or the file here,
        `failover-in-progress` while a run is open, or while it serves a failover unless that may be
        interrupted, asked again before it restarts; and what the appliance refuses.
        """
        one, file = await self._checked(tenant, host, build, interrupt=interrupt)
        key = (one.id, build)
        if key not in self._tasks:
            self._in_charge()
            agent = await self._clients(one.id, access(one))
            self._tasks[key] = asyncio.create_task(
                self._install(one, agent, file, allow_older=allow_older, interrupt=interrupt)
            )
        task = self._tasks[key]
        await asyncio.wait({task}, timeout=self._wait)
        if not task.done():
            return UpdateProgress(appliance=one.id, progress=Progress.UNDER_WAY)
        del self._tasks[key]
        if task.exception() is None:  # it answers, and did not while it restarted
            await asyncio.to_thread(self._appliances.changed, one.id, at=self._now())
        return _told(one, task)

    async def _install(
        self, one: Deployed, agent: AgentClient, file: UpdateFile, *, allow_older: bool, interrupt: bool
    ) -> UpdateStatus:
        return await updates.install(
            agent,
            file,
            seconds=self._trial.seconds,
            within=self._trial.within,
            allow_older=allow_older,
            may_restart=lambda: self._may_restart(one, interrupt=interrupt),
        )

    async def _checked(
        self, tenant: TenantId, host: Name, build: str, *, interrupt: bool
    ) -> tuple[Deployed, UpdateFile]:
        one = await asyncio.to_thread(self._appliances.find, tenant, host)
        if one is None:
            raise ProblemError(problem(ProblemType.NOT_FOUND, health.not_deployed(tenant, host)))
        await self._refuse_serving(one, interrupt=interrupt)
        return one, await self.file(build)

    async def _may_restart(self, one: Deployed, *, interrupt: bool) -> None:
        """As `_refuse_serving`, and still be in charge: sending the file may have taken an hour."""
        await self._refuse_serving(one, interrupt=interrupt)
        self._in_charge()

    async def _refuse_serving(self, one: Deployed, *, interrupt: bool) -> None:
        await asyncio.to_thread(self._runs.refuse_open, one.tenant, one.host)
        mode = (await asyncio.to_thread(self._standings.get, one.tenant, one.host)).mode
        if mode.name != IDLE and not interrupt:
            detail = f"appliance {one.id} serves a failover ({mode.name}), which its restart interrupts"
            ways = "end that first, or say that it may be interrupted (`--interrupt`)"
            raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, f"{detail}; {ways}"))

    async def file(self, build: str) -> UpdateFile:
        """Return the update file of this build. Raises ProblemError (`not-found`) when it is not here."""
        path = self._directory / f"{build}.update"
        try:
            return await asyncio.to_thread(update_file.read, path)
        except StoreError as error:
            detail = "the update file is not at this controller; send it again"
            raise ProblemError(problem(ProblemType.NOT_FOUND, detail)) from error

    def _under_way(self) -> set[str]:
        """Builds that open runs bring about."""
        found = (requests.chore(run.request.encode()) for run in self._runs.open())
        return {one.build for one in found if isinstance(one, UpdateFleet)}


def _told(one: Deployed, task: asyncio.Task[UpdateStatus]) -> UpdateProgress:
    """Raises ProblemError for what the appliance refuses."""
    try:
        status = task.result()
    except AgentUnreachable as error:
        return UpdateProgress(appliance=one.id, progress=Progress.FAILED, detail=error.reason)
    except ControllerError as error:
        return UpdateProgress(appliance=one.id, progress=Progress.FAILED, detail=str(error))
    running = status.report(status.running)
    return UpdateProgress(
        appliance=one.id, progress=Progress.DONE, detail=f"it runs {running.version} in slot {status.running}"
    )
