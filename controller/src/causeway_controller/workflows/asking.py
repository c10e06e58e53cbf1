"""A partial failover that the provider's staff begins: the tenant's controller is asked for it, and leads it.

It hears of it with its resources, as long as this run is open, and refuses or begins a run whose name both
sides know beforehand: so that is the name of the half which it then has the provider do. What the run finds
is read from there; it changes nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from causeway_controller.contract import requests
from causeway_controller.contract.halves import Word
from causeway_controller.contract.requests import AskTenant
from causeway_controller.contract.run_events import FINISHED, LAST
from causeway_controller.errors import ControllerError, NotGranted
from causeway_controller.inventory import asked
from causeway_controller.inventory.modes import Partial
from causeway_controller.store.halves import Halves
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.members import Members
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.run_record import Record
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import NetworkId, TenantId, VmName

PATIENCE: Final = timedelta(minutes=10)
"""For the tenant's controller to hear of it, and for both halves."""
_LOOK_SECONDS: Final = 1.0


class Asking:
    """`chores.Kind` of `requests.AskTenant`: a unit for the network."""

    def __init__(
        self,
        *,
        inventories: Inventories,
        members: Members,
        halves: Halves,
        standings: Standings,
        runs: Runs,
        now: Callable[[], datetime],
        look: float = _LOOK_SECONDS,
    ) -> None:
        """`look`: seconds between two."""
        self._inventories = inventories
        self._members = members
        self._halves = halves
        self._standings = standings
        self._runs = runs
        self._now = now
        self._look = look

    async def plan(self, asked: Run) -> Sequence[Unit]:
        """Raises ProblemError when there is nobody to ask, a VM has no replica on the host, they are in
        several networks, or one whose failover is to be ended is not failed over.
        """
        wanted = _wanted(asked)
        networks = await asyncio.to_thread(self._networks, wanted)
        if wanted.end and (idle := wanted.vms - await asyncio.to_thread(self._served, wanted)):
            detail = f"{', '.join(sorted(idle))}: not in partial failover on {wanted.host}; nothing to end"
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/vms"))
        what = "ends the failover of" if wanted.end else "fails over"
        return [
            Unit(name=network, sentence=f"{wanted.tenant}'s controller {what} {', '.join(sorted(vms))}")
            for network, vms in networks.items()
        ]

    async def perform(self, record: Record, unit: Unit) -> Done:
        """Wait for the half. Raises NotGranted when it is refused, fails, or is not heard of, and when
        somebody asks that the run stop.
        """
        wanted = _wanted(record.asked)
        name = asked.half(record.asked.id, unit.name, end=wanted.end)
        until = record.asked.at + PATIENCE
        while self._now() < until:
            if (run := await asyncio.to_thread(self._half, wanted.tenant, name, end=wanted.end)) is not None:
                return Done(detail=f"run {run}")
            if wanted.end and not wanted.vms & await asyncio.to_thread(self._served, wanted):
                return Done(detail="nothing of them is served any more")
            if await record.stop_requested():
                detail = (
                    "somebody asked that it stop: nothing more is begun for it; what "
                    f"{wanted.tenant}'s controller has begun goes on, and its staff stops that"
                )
                raise NotGranted(detail)
            await asyncio.sleep(self._look)
        detail = f"{wanted.tenant}'s controller was not heard of it in time; `causeway member list`"
        raise NotGranted(detail)

    def _half(self, tenant: TenantId, name: str, *, end: bool) -> str | None:
        """The provider's run that did the half, or ended one; None while that is not so."""
        half = self._halves.get(tenant, name)
        if half is None:
            return None
        if half.run is None:
            if half.word is Word.TAKE_BACK:
                raise NotGranted(f"{tenant}'s controller refuses: its policy, or it cannot; ask its staff")
            if end:
                raise NotGranted(f"{tenant}'s controller was refused to end it; its run says why")
            return None
        last = self._runs.last(half.run)
        if last is None or last.kind not in LAST:
            return None  # it goes on, or is looked at still whether it can begin: the half is kept before
        if last.kind != FINISHED:
            why = msgspec.json.decode(last.detail, type=dict[str, object]).get("why")
            raise NotGranted(f"run {half.run} has not gone through: {why}")
        return half.run

    def _served(self, wanted: AskTenant) -> frozenset[VmName]:
        """What is in partial failover on the host."""
        mode = self._standings.get(wanted.tenant, wanted.host).mode
        return mode.vms if isinstance(mode, Partial) else frozenset()

    def _networks(self, wanted: AskTenant) -> dict[NetworkId, set[str]]:
        inventory = self._inventories.of_tenant(wanted.tenant).inventory
        if wanted.tenant not in {one.tenant for one in self._members.list(next_key=None)}:
            detail = f"no controller of {wanted.tenant} has joined that could be asked"
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))
        there = {
            vm.name: vm.network
            for tenant in inventory.tenants
            for vm in tenant.vms
            if vm.replica and vm.replica.host == wanted.host
        }
        if unknown := wanted.vms - there.keys():
            detail = f"{', '.join(sorted(unknown))}: no VM of {wanted.tenant} with a replica on {wanted.host}"
            raise ProblemError(problem(ProblemType.UNKNOWN_REFERENCE, detail, pointer="/vms"))
        networks: dict[NetworkId, set[str]] = {}
        for vm in sorted(wanted.vms):
            networks.setdefault(there[vm], set()).add(vm)
        if len(networks) > 1:
            detail = (
                f"they are in the networks {', '.join(networks)}, and a host does one network's half at a "
                "time; ask for those of one, and for the others when that has ended"
            )
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail, pointer="/vms"))
        return networks


def _wanted(asked: Run) -> AskTenant:
    found = requests.read_chore(asked.request.encode())
    if not isinstance(found, AskTenant):
        raise ControllerError(f"run {asked.id} asks no tenant for anything")
    return found
