"""What the engine knows between two looks at the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from causeway_agent.engine import events
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.model.target import Facts, Target
from causeway_agent.plan.steer import holdings
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.observed import (
    ConnectionReport,
    DriftReport,
    DuplicateAddress,
    NeighbourTableReport,
    SlowedSender,
)
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import Epoch, Generation, MacAddress

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

ETAG_DIGITS = 16
"""Hex digits of the digest in an entity tag."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A document, its digest, and what it compiles to under the facts of one moment."""

    document: Desired
    digest: str

    @classmethod
    def of(cls, document: Desired) -> InForce:
        """The document with its digest computed."""
        return cls(document, codec.digest(document))

    @property
    def etag(self) -> str:
        """Strong entity tag (RFC 9110, 8.8.3): generation and digest, quotes included."""
        return f'"{self.document.generation}-{self.digest[:ETAG_DIGITS]}"'


@dataclass(slots=True, kw_only=True)
class State:
    """Written by the change runner and the reconciler under one lock, read by everyone. What the watch over
    held addresses writes, it replaces as a whole.
    """

    target: Target | None = None
    """What is being enforced; None until the first look at the machine."""
    facts: Facts | None = None
    """The facts that `target` was compiled under; None when it must be compiled anew."""
    leftovers: tuple[Target, ...] = ()
    """Targets of changes that did not end well: what they brought is looked for until nothing is left."""
    in_force: InForce | None = None
    """The document that a restart returns to."""
    tentative: InForce | None = None
    """A document that is applied and awaits its confirmation."""
    closed: bool = False
    """Whether the machine was closed because it could not be made as it should be."""
    attempted: tuple[Generation, str] | None = None
    """Generation and digest of the last accepted document, whatever became of it."""
    epoch: Epoch = 0
    """Highest epoch ever accepted."""
    conforming: Generation | None = None
    """Generation of the document enforced when the machine was last seen to conform."""
    settled: bool = False
    """Whether the machine was as it should be at the last look."""
    problem: Problem | None = None
    damage: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What is on the disk and cannot be believed, by what it is part of; told until it is written anew."""
    duplicates: tuple[DuplicateAddress, ...] = ()
    """Addresses that were not claimed at the last look."""
    contested: tuple[DuplicateAddress, ...] = ()
    """Addresses held or given back that other machines have."""
    tables: tuple[NeighbourTableReport, ...] = ()
    connections: ConnectionReport | None = None
    slowed: tuple[SlowedSender, ...] = ()
    foreign: tuple[str, ...] = ()
    """What others have added beside what is ours, at the last look."""
    released: Mapping[Claim, MacAddress] = field(default_factory=dict)
    """Claims given back because a machine answered late: the target is without them, once it is compiled
    anew. Replaced, never changed.
    """
    conditions: Mapping[str, Problem] = field(default_factory=dict)
    """What is wrong with the world though the machine is as it should be, by who found it."""
    drift: DriftReport = field(default_factory=lambda: DriftReport(repairs=0))

    @property
    def enforced(self) -> InForce | None:
        """The document that the machine is held to now."""
        return self.tentative if self.tentative is not None else self.in_force

    @property
    def _own_trouble(self) -> Problem | None:
        """Why the machine is not as it should be, else what of the disk is damaged."""
        if self.problem is not None or not any(self.damage.values()):
            return self.problem
        told = "; ".join(sentence for sentences in self.damage.values() for sentence in sentences)
        return problem(ProblemType.DAMAGED, told)

    def settle(self) -> None:
        """The machine was seen to be as it should be."""
        self.settled, self.problem, self.duplicates, self.leftovers = True, None, (), ()
        self.conforming = self.enforced.document.generation if self.enforced is not None else None

    def degrade(self, why: Problem) -> None:
        """The machine is not as it should be, and this is why."""
        self.settled, self.problem = False, why

    @property
    def trouble(self) -> Problem | None:
        """What is told: everything that makes the appliance degraded."""
        own = self._own_trouble
        found = (*((own,) if own is not None else ()), *self.conditions.values())
        return combine(found) if found else None

    def note(self, finder: str, why: Problem | None) -> None:
        """Remember a condition, in place of the one that the same finder told before; None: it is over."""
        others = {name: each for name, each in self.conditions.items() if name != finder}
        self.conditions = others if why is None else {**others, finder: why}

    def aim(self, target: Target) -> None:
        """Enforce this target from now on. What was given back and is no longer to be claimed is forgotten: a
        claim of later asks anew.
        """
        self.target = target
        if self.released:
            claims = {each.claim for each in holdings.holdings(target)}
            kept = {claim: mac for claim, mac in self.released.items() if claim in claims}
            self.released = kept if len(kept) < len(self.released) else self.released

    def tell_foreign(self, found: frozenset[str]) -> None:
        """What others have added beside what is ours."""
        told = tuple(sorted(found))
        if told != self.foreign:
            self.foreign = told
            _log.warning(events.FOREIGN_FOUND, found=told)

    def release(self, claim: Claim, mac: MacAddress) -> None:
        """Leave the address to the machine that has it."""
        self.released = {**self.released, claim: mac}

    def reclaim(self, claim: Claim) -> None:
        """Claim the address again, if it was given back."""
        if claim in self.released:
            self.released = {each: mac for each, mac in self.released.items() if each != claim}

    def count_drift(self, operations: tuple[str, ...], when: datetime) -> None:
        """Remember a repair."""
        self.drift = DriftReport(repairs=self.drift.repairs + 1, last=when, last_operations=operations)
