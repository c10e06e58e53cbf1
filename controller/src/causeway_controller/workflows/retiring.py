"""An appliance or gateway away for good, because somebody asked for it: a run of two units.

The run is open until nothing is left, so that nothing else begins for that appliance, at any controller;
whoever dies in between, the next one goes on. What is deployed is forgotten last, so that no machine is left
behind that nobody knows of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Retire, RetireGateway
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.runs import Run
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.redeploying import REMOVE, kind
from causeway_controller.workflows.run_record import Record
from causeway_wire.types import Name, TenantId

FORGET: Final = "forget"


class Ending(Protocol):
    """Has appliances away; `life.Life` does."""

    async def deployed(self, tenant: TenantId, host: Name) -> Deployed: ...

    async def check_host(self, tenant: TenantId, host: Name) -> None: ...

    async def refuse_in_use(self, one: Deployed, *, but: str) -> None: ...

    async def remove(
        self, tenant: TenantId, host: Name, *, run: str, in_charge: Callable[[], None]
    ) -> None: ...

    async def forget(self, tenant: TenantId, host: Name, *, actor: str) -> None: ...


class Retiring:
    """`chores.Kind` of `requests.Retire`, and of `RetireGateway`."""

    def __init__(self, *, life: Ending, in_charge: Callable[[], None]) -> None:
        """`in_charge` is called immediately before each effect at a host, which has no other fence."""
        self._life = life
        self._in_charge = in_charge

    async def plan(self, asked: Run) -> Sequence[Unit]:
        """As `Kind.plan`; raises ProblemError when it is not deployed, or serves a failover, or when nobody
        knows any more which host its machine is on, unless that is said to be gone.
        """
        one = await self._life.deployed(asked.tenant, asked.host)
        await self._life.refuse_in_use(one, but=asked.id)
        gone = _gone(asked)
        if not gone:
            await self._life.check_host(asked.tenant, asked.host)
        what = f"{kind(one)} {one.id}"
        removal = Unit(name=REMOVE, sentence=f"Power off {what} and delete its machine")
        forgetting = Unit(name=FORGET, sentence=f"Revoke the certificates of {what} and forget it")
        return (forgetting,) if gone else (removal, forgetting)

    async def perform(self, record: Record, unit: Unit) -> Done:
        """As `Kind.perform`."""
        asked = record.asked
        if unit.name == REMOVE:
            await self._life.remove(asked.tenant, asked.host, run=asked.id, in_charge=self._in_charge)
        else:
            self._in_charge()
            await self._life.forget(asked.tenant, asked.host, actor=asked.actor)
        return Done()


def _gone(asked: Run) -> bool:
    found = requests.read_chore(asked.request.encode())
    return isinstance(found, Retire | RetireGateway) and found.gone
