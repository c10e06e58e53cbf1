"""Handlers that tell how the controller is: to people, to whoever restarts it, to Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from msgspec import UNSET

from causeway_controller import __version__
from causeway_controller.api import ending_tokens
from causeway_controller.api.appliance_reports import AppliancesTold
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.metrics import CONTENT_TYPE, Metrics
from causeway_controller.api.ports import Watcher
from causeway_controller.contract import routes
from causeway_controller.contract.access import Permission
from causeway_controller.contract.change import ApplianceNeeded
from causeway_controller.contract.status import About, Caller, Health, Status, Trouble
from causeway_controller.failover import leaving_out
from causeway_controller.inventory import production, replicas, undeployed
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.store import left_on
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories, Stored
from causeway_controller.store.left_on import LeftOn
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.run_reports import RunsTold
from causeway_controller.store.tenancies import Standings
from causeway_controller.store.tokens import Tokens
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import TenantId, VmName

_NOTICES: Final = 10
"""So many at most are told one by one."""
_NO_INVENTORY = Trouble(
    subject="inventory",
    detail="nothing has been entered yet; begin with `causeway apply -f FILE --dry-run`",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusHandlers:
    """Asks the store and the watchers."""

    inventories: Inventories
    runs: RunsTold
    appliances: AppliancesTold
    standings: Standings
    own: tuple[Watcher, ...]
    """Of the controller itself, which all else depends on: told before that."""
    watchers: tuple[Watcher, ...]
    metrics: Metrics
    replicas: Replicas
    tokens: Tokens
    database: Database
    now: Callable[[], datetime]

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            routes.ABOUT.name: self.about,
            routes.STATUS.name: self.status,
            routes.LIVE.name: self.live,
            routes.READY.name: self.ready,
            routes.METRICS.name: self.measured,
        }

    async def about(self, ask: Ask) -> Answer:
        """Version, limits, caller."""
        who = ask.caller
        caller = Caller(
            name=who.name,
            role=who.role,
            tenant=UNSET if who.tenant is None else who.tenant,
            permissions=tuple(sorted(who.permissions)),
        )
        about = About(version=__version__, caller=caller, body_bytes=routes.BODY_BYTES, page=routes.PAGE)
        return Answer(document=about)

    async def status(self, ask: Ask) -> Answer:
        """What is wrong now, the worst first. What watchers know is the provider's: no tenant is told."""
        tenant = ask.caller.tenant
        stored = await asyncio.to_thread(self._stored, tenant)
        deployed = await asyncio.to_thread(self.appliances.all, tenant)
        needed = production.needed(stored.inventory)
        own = await _troubles(self.own) if tenant is None else []
        others = await self._others(stored) if tenant is None else []
        wrong = await asyncio.to_thread(self.appliances.troubles, deployed)
        wanted, notices = _undeployed(stored, deployed, gateways=tenant is None)
        old = await asyncio.to_thread(self._replicas, stored)
        left = await asyncio.to_thread(self._left_on, tenant)
        theirs = [*left, *wrong, *_needless(deployed, needed, stored), *wanted, *_some(old)]
        troubles = [*own, *theirs, *others]
        ending = await asyncio.to_thread(self._ending, tenant) if _may_make_tokens(ask) else ()
        notices = (*await asyncio.to_thread(self._left_out, stored), *ending, *notices)
        running = await asyncio.to_thread(self.runs.open, tenant)
        status = Status(
            summary=_summary(troubles, running),
            troubles=tuple(troubles),
            notices=notices if len(notices) <= _NOTICES else (*notices[:_NOTICES], _more(len(notices))),
            revision=stored.revision,
            tenants=len(stored.inventory.tenants),
            appliances=len(needed),
            deployed=len(deployed),
            open_runs=running,
        )
        return Answer(document=status)

    async def live(self, ask: Ask) -> Answer:  # noqa: ARG002 - handlers are alike
        """The event loop turns."""
        return Answer(document=Health(ready=True))

    async def ready(self, ask: Ask) -> Answer:  # noqa: ARG002
        """The store answers. To anybody, and therefore no more than yes or no."""
        try:
            async with asyncio.timeout(5):
                await asyncio.to_thread(self.runs.open)
        except Exception as error:
            detail = "the store does not answer; the log says why"
            raise ProblemError(problem(ProblemType.UNAVAILABLE, detail)) from error
        return Answer(document=Health(ready=True))

    async def measured(self, ask: Ask) -> Answer:  # noqa: ARG002
        """All metrics."""
        stored = await asyncio.to_thread(self._stored, None)
        self.metrics.revision.set(stored.revision)
        self.metrics.tenants.set(len(stored.inventory.tenants))
        for condition, count in (await asyncio.to_thread(self.appliances.counts)).items():
            self.metrics.appliances.labels(condition.value).set(count)
        all_of_them = await asyncio.to_thread(self.appliances.all, None)
        deployed = await asyncio.to_thread(self.appliances.troubles, all_of_them)
        wanted, _ = _undeployed(stored, all_of_them, gateways=True)
        old = await asyncio.to_thread(self._replicas, stored)
        left = await asyncio.to_thread(self._left_on, None)
        others = [*await _troubles(self.own), *await self._others(stored)]
        self.metrics.troubles.set(len([*left, *deployed, *wanted, *old, *others]))
        self.metrics.open_runs.set(await asyncio.to_thread(self.runs.open))
        return Answer(text=self.metrics.text(), media_type=CONTENT_TYPE)

    async def _others(self, stored: Stored) -> list[Trouble]:
        """What is wrong besides the appliances, of the provider as a whole."""
        return [*(() if stored.revision else (_NO_INVENTORY,)), *await _troubles(self.watchers)]

    def _ending(self, tenant: TenantId | None) -> tuple[Trouble, ...]:
        return tuple(ending_tokens.tell(self.tokens.list(tenant), self.now()))

    def _replicas(self, stored: Stored) -> tuple[Trouble, ...]:
        """Plans that lack some, and what was told that is wrong with others, of the tenants in this."""
        told, tenants = self.replicas.all(), stored.inventory.tenants
        lacking = (
            Trouble(subject=f"tenant {tenant.id}", detail=text)
            for tenant in tenants
            for text in replicas.lacking(tenant)
        )
        wrong = (
            Trouble(subject=f"replica {tenant.id}/{one.vm}", detail=text)
            for tenant in tenants
            if tenant.id in told
            for one in replicas.reports(tenant, told[tenant.id], now=self.now())
            for text in one.wrong
        )
        return (*lacking, *wrong)

    def _left_on(self, tenant: TenantId | None) -> tuple[Trouble, ...]:
        """Replicas that a run left on and no mode names."""
        return tuple(
            Trouble(
                subject=f"{one.tenant} on {one.host}",
                detail=f"run {one.run} is over, and these replicas may be on, though no failover has them: "
                f"{_named(one.vms)}; {_ends(one)}",
            )
            for one in left_on.find(self.database, tenant)
        )

    def _left_out(self, stored: Stored) -> tuple[Trouble, ...]:
        modes = {place: standing.mode for place, standing in self.standings.all().items()}
        return tuple(
            Trouble(
                subject=f"{one.tenant} on {one.host}",
                detail=f"not failed over, in a full failover of the others: {_named(one.vms)}; "
                f"`causeway failover full {one.tenant} --host {one.host}` goes on with them",
            )
            for one in leaving_out.missing(stored.inventory, modes)
        )

    def _stored(self, tenant: str | None) -> Stored:
        return self.inventories.load() if tenant is None else self.inventories.of_tenant(tenant)


def _may_make_tokens(ask: Ask) -> bool:
    return Permission.MANAGE_TOKENS in ask.caller.permissions


async def _troubles(watchers: Iterable[Watcher]) -> list[Trouble]:
    return [trouble for watcher in watchers for trouble in await watcher.troubles()]


def _undeployed(
    stored: Stored, deployed: Iterable[Deployed], *, gateways: bool
) -> tuple[tuple[Trouble, ...], tuple[Trouble, ...]]:
    """What was never deployed: where something needs it, and where nothing does yet.

    `gateways`: whether they are among what may have been deployed; to a tenant the inventory shows them all
    the same.
    """
    inventory = stored.inventory if gateways else msgspec.structs.replace(stored.inventory, gateways=())
    found = undeployed.find(inventory, deployed)
    told = [(Trouble(subject=one.subject, detail=one.detail), one.wanted) for one in found]
    return tuple(one for one, wanted in told if wanted), tuple(one for one, wanted in told if not wanted)


def _named(vms: Sequence[VmName]) -> str:
    more = len(vms) - _NOTICES
    return ", ".join(vms[:_NOTICES]) + (f" and {more} more" if more > 0 else "")


def _ends(one: LeftOn) -> str:
    """What has them in a failover, or off."""
    if one.full:
        return f"`causeway failover full {one.tenant} --host {one.host}` goes on with them"
    kept = " ".join(f"--keep-partial {vm}" for vm in one.kept)
    undo = f"`causeway failover undo {one.tenant} --full --host {one.host} {kept}`"
    return f"{undo} powers off all but those that stay"


def _some(old: tuple[Trouble, ...]) -> tuple[Trouble, ...]:
    """Some of many: whoever replicates may have stopped as a whole."""
    if len(old) <= _NOTICES:
        return old
    detail = f"{len(old) - _NOTICES} more are wrong; `causeway replica list TENANT` has a tenant's"
    return (*old[:_NOTICES], Trouble(subject="replicas", detail=detail))


def _more(count: int) -> Trouble:
    detail = f"{count - _NOTICES} more notices; `causeway appliance needed` has all that are not deployed"
    return Trouble(subject="appliances", detail=detail)


def _needless(
    deployed: Iterable[Deployed], needed: Iterable[ApplianceNeeded], stored: Stored
) -> Iterator[Trouble]:
    """Appliances that are left over from an inventory before this one."""
    places = {(one.tenant, one.host) for one in needed}
    places |= {(NOBODY, gateway.id) for gateway in stored.inventory.gateways}
    for one in deployed:
        if (one.tenant, one.host) not in places:
            hint = f"enter it again, or run `causeway {one.retire}`"
            yield Trouble(subject=one.subject, detail=f"the inventory needs it no longer; {hint}")


def _summary(troubles: list[Trouble], running: int) -> str:
    runs = f"{running} run{'s' if running != 1 else ''} under way" if running else "no run under way"
    if not troubles:
        return f"Nothing is wrong; {runs}."
    first = f"{troubles[0].subject}: {troubles[0].detail}"
    more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
    return f"{first}{more}; {runs}."
