"""Another machine in the place of an appliance or gateway, because somebody asked for it: a run of two units.

Whoever dies in between, the next one has the machine there: what was asked for is not to be repeated by hand.
Unlike a rebuild it begins with the machine's end, also of one that answers: that was asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Redeploy, RedeployGateway
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.runs import Run
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.provisioning import Under
from causeway_controller.workflows.run_record import Record
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import ApplianceId, Name, TenantId

REMOVE: Final = "remove"
DEPLOY: Final = "deploy"


class Bringing(Protocol):
    """Has appliances there, and removes their machines; `life.Life` does."""

    async def deployed(self, tenant: TenantId, host: Name) -> Deployed: ...

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None, in_place: bool = False
    ) -> None: ...

    async def bring(self, tenant: TenantId, host: Name, *, under: Under) -> ApplianceId: ...

    async def clear(
        self, one: Deployed, *, actor: str, reason: str, revoke: bool, unless: Callable[[], Awaitable[bool]]
    ) -> bool: ...


class Redeploying:
    """`chores.Kind` of `requests.Redeploy`, and of `RedeployGateway`."""

    def __init__(self, *, life: Bringing, in_charge: Callable[[], None]) -> None:
        """`in_charge` is called immediately before each effect at a host, which has no other fence."""
        self._life = life
        self._in_charge = in_charge

    async def plan(self, asked: Run) -> Sequence[Unit]:
        """As `Kind.plan`; raises ProblemError when it is not deployed, or cannot be (any more), and
        HypervisorError when its host could not make another one in its place.
        """
        one = await self._life.deployed(asked.tenant, asked.host)
        begun = Under(run=asked.id, epoch=0)
        await self._life.check(asked.tenant, asked.host, under=begun, in_place=True)
        removing = "keep" if _keep(asked) else "revoke"
        return (
            Unit(
                name=REMOVE,
                sentence=f"Remove the machine of {kind(one)} {one.id}, {removing} its certificates",
            ),
            Unit(
                name=DEPLOY,
                sentence=f"Deploy {one.id} again: same addresses, new certificates, its document",
            ),
        )

    async def perform(self, record: Record, unit: Unit) -> Done:
        """As `Kind.perform`."""
        one = await self._life.deployed(record.asked.tenant, record.asked.host)
        if unit.name == REMOVE:
            await self._remove(record, one)
        else:
            self._in_charge()
            await bring(self._life, record, one)
        return Done()

    async def _remove(self, record: Record, one: Deployed) -> None:
        """While its host could make no other one, it stays: who planned this may have died long ago."""
        await self._life.check(one.tenant, one.host, under=under(record), in_place=True)

        async def never() -> bool:
            self._in_charge()
            return False

        revoke = not _keep(record.asked)
        await self._life.clear(
            one, actor=record.asked.actor, reason="redeployed", revoke=revoke, unless=never
        )


async def bring(life: Bringing, record: Record, one: Deployed) -> None:
    """Have it deployed, started, enrolled and configured, under the run's epoch.

    Under a newer one where the appliance is ahead of the store, unless another controller has the run. Raises
    what `life.bring` raises.
    """
    try:
        await life.bring(one.tenant, one.host, under=under(record))
    except ProblemError as error:
        accepted = error.problem.epoch
        if error.problem.type != ProblemType.STALE_EPOCH.urn or not isinstance(accepted, int):
            raise
        if await record.newer(accepted) is None:
            raise
        await life.bring(one.tenant, one.host, under=under(record))


def kind(one: Deployed) -> str:
    """Return what it is called in a sentence."""
    return "gateway" if one.gateway else "appliance"


def _keep(asked: Run) -> bool:
    found = requests.read_chore(asked.request.encode())
    return isinstance(found, Redeploy | RedeployGateway) and found.keep_certificates


def under(record: Record) -> Under:
    """Return the run, with the epoch of who carries it out."""
    return Under(run=record.asked.id, epoch=record.epoch)
