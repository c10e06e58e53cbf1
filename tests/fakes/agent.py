"""An agent as workflows see it: conforms at once, awaits confirmation, keeps public rules; no network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from causeway_controller.errors import AgentUnreachable, ChangeFailed
from causeway_wire.change import Change, ChangeState, Fence
from causeway_wire.desired import (
    Desired,
    Full,
    Idle,
    Partial,
    ProviderRole,
    Rehearsal,
    TenantRole,
)
from causeway_wire.observed import (
    ApplianceState,
    DriftReport,
    Health,
    NicReport,
    Observed,
    TunnelReport,
    TunnelState,
)
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.public_rules import PublicRule, PublicRules, PublicRulesPatch, PublicRulesReport


async def _at_once() -> None:
    """Nothing is waited for."""


@dataclass
class FakeAgent:
    """`refuse` and `lost` make it say no or say nothing; `log` is shared with other fakes."""

    appliance: str
    log: list[str]
    document: Desired | None = None
    refuse: Problem | None = None
    lost: bool = False
    boots_in: int = 0
    """Questions that stay unanswered."""
    trial: int = 0
    """Documents and tables that are refused before its new system has proven good."""
    in_force: int = 0
    before_applying: Callable[[], Awaitable[object]] = _at_once
    on_apply: Callable[[str, int | None], None] = lambda _appliance, _confirm: None
    """Told how many seconds each change is to await its confirmation."""
    after_applying: float = 0.0
    """Seconds until the answer."""
    connected: bool = True
    expired: bool = False
    """Confirmations come too late: what awaits is taken back first."""
    silent_mode: bool = False
    """Reports no mode but idle, whatever it was told."""
    epochs: list[int] = field(default_factory=list)
    epoch: int = 0
    """The highest that came."""
    table: dict[str, PublicRule] = field(default_factory=dict)
    revision: int = 0
    awaiting: Change | None = None
    confirmed: dict[str, Change] = field(default_factory=dict)
    before: Desired | None = None

    @property
    def mode(self) -> str:
        """Its document's failover in a word; see `mode`."""
        return "idle" if self.document is None else mode(self.document)

    async def apply(
        self,
        document: Desired,
        *,
        timeout: float,  # noqa: ASYNC109
        confirm: int | None = None,
        escalate: bool = False,
    ) -> Change:
        self.on_apply(self.appliance, confirm)
        await self.before_applying()
        self._reachable()
        self._settled()
        self._pass(document.epoch)
        if self.awaiting is not None:
            raise ProblemError(
                problem(ProblemType.AWAITING_CONFIRMATION, "confirm first", change=self.awaiting.id)
            )
        if document.generation <= self.in_force:
            raise ProblemError(
                problem(ProblemType.STALE_GENERATION, "newer in force", generation=self.in_force)
            )
        if _crosses(self.document, document) and not escalate:
            raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, "ask for escalation"))
        self.in_force = document.generation
        self.epochs.append(document.epoch)
        if self.refuse is not None and not isinstance(failover(document), Idle):
            raise ChangeFailed(self.appliance, _change(document, ChangeState.REFUSED, self.refuse))
        self.before, self.document = self.document, document
        self.log.append(f"{self.appliance} {mode(document)}")
        if confirm is None:
            return _change(document, ChangeState.DONE, None)
        self.awaiting = _change(document, ChangeState.AWAITING, None)
        await asyncio.sleep(self.after_applying)
        return self.awaiting

    async def change(self, identifier: str, *, wait: int | None = None) -> Change:
        self._reachable()
        return self._awaited(identifier)

    async def fence(self, epoch: int) -> Fence:
        self._reachable()
        self._pass(epoch)
        return Fence(epoch=self.epoch)

    async def confirm(self, identifier: str, *, epoch: int) -> Change:
        self._reachable()
        self._pass(epoch)
        if self.expired and self.awaiting is not None:
            self._fall_back("expired")
        if identifier in self.confirmed:
            return self.confirmed[identifier]
        change = self._awaited(identifier)
        self.confirmed[identifier], self.awaiting = change, None
        self.log.append(f"{self.appliance} confirmed")
        return change

    async def cancel(self, identifier: str, *, epoch: int) -> Change:
        self._reachable()
        self._pass(epoch)
        change = self._awaited(identifier)
        self._fall_back("cancelled")
        assert self.before is None or self.document is self.before
        return _finished(change)

    async def extend(self, identifier: str, *, seconds: int, epoch: int) -> Change:
        self._reachable()
        self._pass(epoch)
        self.log.append(f"{self.appliance} waits {seconds} s")
        return self._awaited(identifier)

    async def get_rules(self) -> PublicRules:
        self._reachable()
        return PublicRules(revision=self.revision, epoch=0, rules=tuple(self.table.values()))

    async def patch_rules(self, patch: PublicRulesPatch) -> PublicRulesReport:
        self._reachable()
        self._settled()
        self._pass(patch.epoch)
        for rule in patch.put:
            if rule.public_port == 22:
                raise ProblemError(problem(ProblemType.RESERVED_PORT, "port 22 is the appliance's own"))
        assert (patch.base, patch.revision) == (self.revision, self.revision + 1)
        self.revision = patch.revision
        for name in patch.remove:
            del self.table[name]
        self.table.update({rule.id: rule for rule in patch.put})
        self.log.append(f"{self.appliance} {len(self.table)} rules")
        return PublicRulesReport(revision=self.revision, rules=len(self.table))

    async def observed(self) -> Observed:
        self._reachable()
        role = None if self.document is None else self.document.role
        ids: list[str] = []
        if isinstance(role, ProviderRole):
            ids = [network.tunnel.id for network in role.networks if network.tunnel is not None]
        elif isinstance(role, TenantRole) and role.tunnel is not None:
            ids = [role.tunnel.id]
        state = TunnelState.CONNECTED if self.connected else TunnelState.CONNECTING
        return Observed(
            appliance=self.appliance,
            state=ApplianceState.READY,
            observed_generation=None,
            epoch=0,
            role=None,
            failover=_mode_name(self.document) if not self.silent_mode else "idle",
            change=None if self.awaiting is None else self.awaiting.id,
            nics=(NicReport(device="eth0", mac="02:00:00:00:00:01", up=True, addresses=self._addresses()),),
            tunnels=tuple(TunnelReport(id=one, state=state) for one in ids),
            drift=DriftReport(repairs=0),
        )

    async def live(self) -> Health:
        if self.boots_in > 0:
            self.boots_in -= 1
            raise AgentUnreachable(self.appliance, "x", "booting")
        self._reachable()
        return Health(healthy=True)

    def _addresses(self) -> tuple[str, ...]:
        """What a provider appliance takes over, as its kernel would show it."""
        role = None if self.document is None else self.document.role
        if not isinstance(role, ProviderRole) or not isinstance(role.failover, Full | Rehearsal):
            return ()
        taken = {one.network for one in role.failover.networks}
        gateways = [f"{g}/24" for network in role.networks if network.id in taken for g in network.gateways]
        owned = role.public_addresses if isinstance(role.failover, Full) else role.test_addresses
        return (*gateways, *(f"{one}/32" for one in owned))

    def _awaited(self, identifier: str) -> Change:
        if self.awaiting is None or self.awaiting.id != identifier:
            raise ProblemError(problem(ProblemType.NOT_AWAITING, "nothing awaits confirmation"))
        return self.awaiting

    def _fall_back(self, why: str) -> None:
        self.document, self.awaiting = self.before, None
        self.log.append(f"{self.appliance} {why}")

    def _pass(self, epoch: int) -> None:
        """Refuse what is older than the newest that came."""
        if epoch < self.epoch:
            raise ProblemError(problem(ProblemType.STALE_EPOCH, "too late", epoch=self.epoch))
        self.epoch = epoch

    def _settled(self) -> None:
        if self.trial > 0:
            self.trial -= 1
            raise ProblemError(problem(ProblemType.UPDATE_IN_PROGRESS, "this system is on trial"))

    def _reachable(self) -> None:
        if self.lost:
            raise AgentUnreachable(self.appliance, "10.0.0.1:8443", "silence")


def failover(document: Desired) -> object:
    """The document's failover, idle where the role has none."""
    return document.role.failover if isinstance(document.role, ProviderRole | TenantRole) else Idle()


def mode(document: Desired) -> str:
    """The document's failover in a word: `idle`, the VMs of a partial one, or mode and networks."""
    match failover(document):
        case Partial(replicas=replicas):
            return "+".join(one.vm for one in replicas)
        case Full(networks=networks):
            return f"full {'+'.join(one.network for one in networks)}"
        case Rehearsal(networks=networks):
            return f"rehearsal {'+'.join(one.network for one in networks)}"
        case _:
            return "idle"


def _mode_name(document: Desired | None) -> str:
    return "idle" if document is None else type(failover(document)).__name__.lower()


def _crosses(before: Desired | None, after: Desired) -> bool:
    if before is None:
        return False
    kinds = {type(failover(before)), type(failover(after))} - {Idle}
    return len(kinds) > 1


def _change(document: Desired, state: ChangeState, reason: Problem | None) -> Change:
    return Change(
        id=f"c{document.generation}",
        generation=document.generation,
        epoch=document.epoch,
        state=state,
        requested_by="c1",
        created=datetime.now(UTC),
        problem=reason,
    )


def _finished(change: Change) -> Change:
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    return Change(**{**fields, "state": ChangeState.ROLLED_BACK})
