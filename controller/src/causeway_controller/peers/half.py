"""The provider's half of a run of this tenant's, at the provider's controller (`workflows.ports.Half`).

A request or its answer may be lost: each order is repeated for a while, for a repeat changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final, Self, TypeVar

from msgspec import UNSET

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.halves import End, HalfOrder, HalfReport, HalfState, Open, Word
from causeway_controller.contract.tenant_view import VersionedResources
from causeway_controller.errors import HalfGone, HalfStands, PeerSlow, PeerUnreachable
from causeway_controller.failover.steps import Ending
from causeway_controller.inventory.modes import Full, Partial
from causeway_controller.peers.client import ProviderClient
from causeway_wire.observed import ApplianceState, DriftReport, Observed
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, ChangeId, Epoch, Name, VmName

_WAIT: Final = 20
"""Seconds that a question may stay open."""
_SLACK: Final = 10.0
"""Seconds besides, for the answer."""
T = TypeVar("T")
_GIVEN_BACK: Final = frozenset({Ending.FAIL_BACK, Ending.SYNCHRONISED})


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfPatience:
    """How long what is waited for, in seconds."""

    order: float = 25.0
    """For an order to be heard, over a line that is cut for a moment."""
    open: float = 420.0
    """For news of a half that is prepared: an appliance boots, replicas start, a hook may take hours. As long
    as the provider says that it is prepared, it is waited for; before that, for a run of another network.
    """
    hold: float = 60.0
    """For the provider's appliance, which may be slow to answer, to be told to wait longer."""
    end: float = 1200.0
    """For the other half's controller to find that nothing relies on it any more, or to give it back; also to
    be told so, while it is met: the tenant's appliance has let go by then, and nothing here waits for it.
    """
    pause: float = 0.5

    def longer(self, times: float) -> Self:
        """Return the same for appliances that are as many times slower, at either site.

        What is held is told to be held on within one's own appliance's deadline, which has no room for more.
        """
        return replace(self, open=times * self.open, end=times * self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfClient:
    """One half."""

    connect: Callable[[], Awaitable[AbstractAsyncContextManager[ProviderClient]]]
    """Lends a client that shows the certificate of now."""
    name: ApplianceId
    run: str
    patience: HalfPatience = HalfPatience()

    async def open(self, host: Name, vms: frozenset[VmName], *, end_full: bool, epoch: Epoch) -> ChangeId:
        """Have it serve these VMs on the host, held; what confirms it. Raises HalfGone when it could not."""
        order = HalfOrder(epoch=epoch, open=Open(host=host, vms=vms, end_full=end_full))
        report = await self._started(self.run, order)
        report = await self._until(self.run, report, HalfState.PREPARING, self.patience.open, heard=True)
        if report.state is not HalfState.HELD:
            raise HalfGone(f"the provider could not do its half: {report.why or 'it is not held'}")
        return self.run

    async def may_open(self, host: Name, vms: frozenset[VmName], *, end_full: bool) -> None:
        """Ask once. Raises ProblemError when it could not be opened, and PeerUnreachable."""
        order = HalfOrder(epoch=0, open=Open(host=host, vms=vms, end_full=end_full), dry_run=True)
        async with await self.connect() as client:
            await self._once(client, self.run, order)

    async def check(self, host: Name, vms: frozenset[VmName], *, ending: Ending, epoch: Epoch) -> None:
        """Raise ProblemError when it could not be ended so, HalfStands when what is to be given back is not
        served: an undo finds nothing to do then, and a failback would lose what the replicas wrote.

        Of epoch 0 it is asked once, and nothing is kept there.
        """
        async with await self.connect() as client:
            served = vms & await _served(client, host)
        if missing := sorted(vms - served if ending in _GIVEN_BACK else ()):
            words = f"the provider does not serve {', '.join(missing)} in a partial failover any more"
            raise HalfStands(
                f"{words}: have it give back what it runs in a full one; what it has given back already, "
                "`causeway failover undo` ends here"
            )
        if not served:
            return
        order = HalfOrder(epoch=epoch, end=_end(host, served, ending), dry_run=True)
        if epoch:
            await self._order(self.run, order)
        else:
            async with await self.connect() as client:
                await self._once(client, self.run, order)

    async def close(
        self, host: Name, vms: frozenset[VmName], *, opened: bool, ending: Ending, epoch: Epoch
    ) -> bool:
        """Have it gone, and say whether anything was there. Raises HalfStands when it could not be."""
        if opened:
            word = HalfOrder(epoch=epoch, word=Word.TAKE_BACK)
            report = await self._order(self.run, word, met=self.patience.end)
            for state in (HalfState.PREPARING, HalfState.HELD):
                report = await self._until(self.run, report, state, self.patience.end)
            if report.state is HalfState.GONE and not report.stands:
                return True
            if report.state is HalfState.GONE:
                raise HalfStands(f"the provider could not take back all of its half: {report.why}")
            if report.state is not HalfState.KEPT:
                raise HalfStands("the provider's controller has not ended its half yet")
            if ending is Ending.STAYS:
                raise HalfStands(
                    "the provider goes on serving what was in full failover, and nobody here answers for it: "
                    "have it escalate, and begin again"
                )
        served = vms & await self._repeated(lambda client: _served(client, host), met=self.patience.end)
        if not served:
            return False
        name = f"{self.run}-end"
        report = await self._started(name, HalfOrder(epoch=epoch, end=_end(host, served, ending)))
        report = await self._until(name, report, HalfState.PREPARING, self.patience.end)
        if report.state is not HalfState.GONE:
            raise HalfStands(f"the provider could not end its half: {report.why or 'it has not yet'}")
        return True

    async def confirm(self, identifier: ChangeId, *, epoch: Epoch) -> HalfReport:
        """Have it kept. Raises ProblemError (`not-awaiting`) when it is gone."""
        report = await self._order(identifier, HalfOrder(epoch=epoch, word=Word.KEEP))
        report = await self._until(identifier, report, HalfState.HELD, self.patience.open)
        if report.state is not HalfState.KEPT:
            detail = f"the provider's half was not kept: {report.why or report.state.value}"
            raise ProblemError(problem(ProblemType.NOT_AWAITING, detail))
        return report

    async def extend(self, identifier: ChangeId, *, seconds: int, epoch: Epoch) -> HalfReport:
        """Have it held for so long from now. Raises HalfGone.

        Ordered again while it is held and its appliance was not reached yet: an order is done after it came.
        """
        until = time.monotonic() + self.patience.hold
        while True:
            report = await self._order(identifier, HalfOrder(epoch=epoch, hold=seconds))
            if report.state is HalfState.HELD and report.granted:
                return report
            if report.state is not HalfState.HELD or time.monotonic() >= until:
                raise HalfGone(f"the provider's half is not held on: {report.why or report.state.value}")
            await asyncio.sleep(self.patience.pause)

    async def fence(self, epoch: Epoch) -> HalfReport:
        """Have it obey no older epoch any more."""
        async with await self.connect() as client:
            return await self._once(client, self.run, HalfOrder(epoch=epoch))

    async def live(self) -> object:
        """Whether the provider's controller answers."""
        async with await self.connect() as client:
            return await client.ask(tenant_routes.MEMBERSHIP)

    async def observed(self) -> Observed:
        """The failover mode that it serves in, of whichever host."""
        async with await self.connect() as client:
            told = (await client.ask(tenant_routes.RESOURCES)).read(VersionedResources).resources
        return Observed(
            appliance=self.name,
            state=ApplianceState.READY,
            observed_generation=None,
            epoch=0,
            role=None,
            failover=next((one.mode for one in told.failovers), "idle"),
            change=None,
            nics=(),
            tunnels=(),
            drift=DriftReport(repairs=0),
        )

    async def _started(self, half: str, order: HalfOrder) -> HalfReport:
        """As `_order`, of what begins a run there: a host does one at a time, another network's maybe.

        Who is met and does not answer may be asked by a thousand tenants at once; nothing relies on it yet.
        """
        until = time.monotonic() + self.patience.open
        while True:
            try:
                return await self._order(half, order, met=until - time.monotonic())
            except ProblemError as error:
                if error.problem.retry_after is UNSET or time.monotonic() >= until:
                    raise
            await asyncio.sleep(self.patience.pause)

    async def _order(self, half: str, order: HalfOrder, *, met: float = 0.0) -> HalfReport:
        """Raises ProblemError, and as `_repeated`."""
        return await self._repeated(lambda client: self._once(client, half, order), met=met)

    async def _repeated(self, ask: Callable[[ProviderClient], Awaitable[T]], *, met: float) -> T:
        """Return the answer. Raises PeerUnreachable when nobody was met for a while; PeerSlow when who was
        met has not answered for `met` seconds: no longer than what relies on the answer can wait.
        """
        began = seen = time.monotonic()
        while True:
            try:
                async with await self.connect() as client:
                    return await ask(client)
            except PeerSlow:
                seen = time.monotonic()
                if seen >= began + met:
                    raise
            except PeerUnreachable:
                if time.monotonic() >= seen + self.patience.order:
                    raise
            await asyncio.sleep(self.patience.pause)

    async def _once(self, client: ProviderClient, half: str, order: HalfOrder) -> HalfReport:
        reply = await client.ask(tenant_routes.ORDER_HALF, {"half": half}, body=order)
        return reply.read(HalfReport)

    async def _until(
        self, half: str, report: HalfReport, state: HalfState, patience: float, *, heard: bool = False
    ) -> HalfReport:
        """Wait until it is not in this state any more, or for `patience` seconds.

        `heard`: so many since it was last heard to be in it.
        """
        until = time.monotonic() + patience
        while report.state is state and time.monotonic() < until:
            query = {"after": state.value, "wait": str(_WAIT)}
            try:
                async with await self.connect() as client:
                    reply = await client.ask(
                        tenant_routes.HALF, {"half": half}, query=query, patience=_WAIT + _SLACK
                    )
                report = reply.read(HalfReport)
                if heard:
                    until = time.monotonic() + patience
            except PeerUnreachable:
                await asyncio.sleep(self.patience.pause)
        return report


async def _served(client: ProviderClient, host: Name) -> frozenset[VmName]:
    """VMs in partial failover on the host, as the provider says. Raises HalfStands in a rehearsal.

    A full failover has taken the half's place: of that nothing is left to be ended from here.
    """
    told = (await client.ask(tenant_routes.RESOURCES)).read(VersionedResources).resources
    found = next((one for one in told.failovers if one.host == host), None)
    if found is None or found.mode == Full.name:
        return frozenset()
    if found.mode != Partial.name:
        raise HalfStands(f"the provider's host {host} is in {found.mode}: have that ended first")
    return frozenset(found.vms)


def _end(host: Name, vms: frozenset[VmName], ending: Ending) -> End:
    given = ending in _GIVEN_BACK
    return End(host=host, vms=vms, fail_back=given, synchronised=ending is Ending.SYNCHRONISED)
