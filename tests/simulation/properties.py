"""What must hold of every history, judged from outside: by messages and kernels, by nobody's word.

1. No address is answered for where nobody serves it.
2. An address never has two owners beyond the bound.
3. A confirmed change is never lost, and an unconfirmed one never survives.
4. What is of an older epoch changes nothing after a newer one acted.
5. With one live controller the halves agree in the end, and what a run says of itself is so (`scenario`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final

from causeway_controller.fleet.connection import Answer
from causeway_wire import codec
from causeway_wire.change import Change, ChangeState, Fence
from causeway_wire.desired import Desired
from causeway_wire.types import IPAddress
from tests.simulation.appliance import Appliance, Message
from tests.simulation.controller import TIMING
from tests.simulation.world import PROVIDER, World

OWNERS_SECONDS: Final = 8.0
"""Bound of two owners: a late answer counts for 3 s, is asked for, and the claim is given back. Who answers
at once is never claimed over.
"""
APPLY_SECONDS: Final = 14.0
"""Until a change that was accepted has been applied here, or given up."""
SLACK_SECONDS: Final = 6.0
"""Until one that was not confirmed has been taken back here."""
RESTART_SECONDS: Final = TIMING.change + TIMING.confirm + APPLY_SECONDS + SLACK_SECONDS
"""How long a tenant's appliance may rely on what the provider's gave up because its agent began anew
(decision 12): its own deadline ends by then.
"""
_CHANGING: Final = frozenset({"put_desired", "confirm", "cancel", "extend", "fence"})


class Violation(Exception):  # noqa: N818 - what is looked for
    """A property does not hold."""


@dataclass(slots=True)
class _Change:
    """One change of an appliance, as seen from outside."""

    generation: int
    confirm: bool
    until: float
    """It is taken back by then unless it is confirmed, infinite when nobody has to."""
    asked: bool = False
    """Whether a confirmation came before that."""


@dataclass(slots=True)
class _Ledger:
    """What is known of one appliance."""

    kept: int = 0
    """Generation that was said to be in force for good."""
    epoch: int = 0
    """The highest that came with a message that was obeyed."""
    changes: dict[str, _Change] = field(default_factory=dict)


@dataclass
class Properties:
    """Watches a world; the first thing that must not be is kept in `broken`."""

    world: World
    broken: str | None = None
    on_broken: Callable[[], None] = lambda: None
    _ledgers: dict[str, _Ledger] = field(default_factory=dict)
    _excused_until: float = 0.0
    _holding: dict[tuple[str, IPAddress], float] = field(default_factory=dict)
    """Since when an address has had two owners."""

    def breaks(self, number: int, what: str) -> None:
        """Property `number` does not hold."""
        if self.broken is None:
            self.broken = f"property {number}: {what}"
            self.world.tell(f"BROKEN {self.broken}")
            self.on_broken()

    def defect(self, what: str) -> None:
        """A program ended by something that nobody foresaw."""
        self.breaks(0, what)

    # What is answered for, and who owns it

    def changed(self, appliance: Appliance) -> None:
        """Look at who answers for what, after something changed."""
        self.world.look_at_tunnels()
        self._served()
        self.owners()

    def _served(self) -> None:
        world, now = self.world, self.world.loop.time()
        served = world.provider.hardware.routed() if world.provider.on else frozenset[IPAddress]()
        claimed = {one.name: one.hardware.claims() for one in world.tenants() if one.on}
        alone = {name: claims - served for name, claims in claimed.items() if claims - served}
        if not alone:
            return
        if now < self._excused_until:
            self._later(self._excused_until - now + 0.01, self._served)
            return
        words = "; ".join(f"{name} for {', '.join(sorted(map(str, one)))}" for name, one in alone.items())
        self.breaks(1, f"nobody serves what is answered for: {words}")

    def owners(self) -> None:
        """Look whether an original is on whose address an appliance answers for."""
        world, now = self.world, self.world.loop.time()
        taken = {world.originals.addresses[vm] for vm in world.originals.on}
        both = {
            (one.name, address)
            for one in world.tenants()
            if one.on
            for address in one.hardware.claims() & taken
            if not self._told(one, address)
        }
        self._holding = {each: self._holding.get(each, now) for each in sorted(both, key=str)}
        bound = OWNERS_SECONDS if world.originals.deaf else 0.0
        for name, address in self._holding:
            if now - self._holding[name, address] >= bound:
                self.breaks(2, f"{address} is the original's, and {name} answers for it")
        if self._holding:
            first = min(self._holding.values())
            self._later(max(first + OWNERS_SECONDS - now, 0.0) + 0.01, self.owners)

    def _told(self, appliance: Appliance, address: IPAddress) -> bool:
        """Whether it is for people to decide: an answer came too late for the claim, and was told. An agent
        that is dead hears and tells nothing; its next life does.
        """
        engine = appliance.engine
        late = self.world.originals.deaf > 1 or appliance.lives > 1
        return late and (engine is None or any(one.address == address for one in engine.state.contested))

    def _later(self, seconds: float, look: Callable[[], None]) -> None:
        self.world.loop.call_later(seconds, look, context=Context())

    # What agents are told, and what they say

    def arrived(self, appliance: Appliance, message: Message) -> int:
        """Note the highest epoch that was obeyed before this."""
        ledger, now = self._ledger(appliance), self.world.loop.time()
        if message.route.name == "confirm":
            known = ledger.changes.get(message.parameters["id"])
            if known is not None and now <= known.until:
                known.asked = True
        return ledger.epoch

    def answered(self, appliance: Appliance, message: Message, before: int, answer: Answer) -> None:
        """Hear what an agent said, and hold it to that."""
        name = message.route.name
        if name in _CHANGING:
            self._obeyed(appliance, message, before, answer)
        elif name == "change" and answer.status == 200:
            self._said(appliance, codec.decode(answer.body, Change))
        self._in_force(appliance)

    def _obeyed(self, appliance: Appliance, message: Message, before: int, answer: Answer) -> None:
        ledger, name = self._ledger(appliance), message.route.name
        epoch, generation = _epoch(message)
        said = f"{message.sender} {appliance.name} {name} {generation or message.parameters.get('id', '')}"
        if answer.status >= 400:
            kind = codec.decode(answer.body, dict)["type"].rpartition(":")[2]
            self.world.tell(f"{said} epoch {epoch}: {kind}")
            return
        change = None if name == "fence" else codec.decode(answer.body, Change)
        state = "" if change is None else f" {change.id} {change.state.value}"
        self.world.tell(f"{said} epoch {epoch}: ok{state}")
        known = change is not None and name == "put_desired" and change.id in ledger.changes
        if epoch < before and not known:
            self.breaks(4, f"{appliance.name} obeyed {name} of epoch {epoch} after one of epoch {before}")
        ledger.epoch = max(ledger.epoch, epoch)
        if change is None:
            return
        if name == "put_desired" and not known:
            self._accepted(appliance, message, change)
        elif name == "extend":
            self._extended(appliance, message, change)
        self._said(appliance, change)

    def _accepted(self, appliance: Appliance, message: Message, change: Change) -> None:
        seconds = dict(message.query).get("confirm")
        now = self.world.loop.time()
        until = now + APPLY_SECONDS + int(seconds) if seconds is not None else math.inf
        self._ledger(appliance).changes[change.id] = _Change(
            change.generation, confirm=seconds is not None, until=until
        )
        if seconds is not None:
            self._later(until + SLACK_SECONDS - now, lambda: self._over(appliance, change.id))

    def _extended(self, appliance: Appliance, message: Message, change: Change) -> None:
        known = self._ledger(appliance).changes.get(change.id)
        if known is not None:
            now = self.world.loop.time()
            known.until = max(known.until, now + int(dict(message.query)["seconds"]))
            self._later(known.until + SLACK_SECONDS - now, lambda: self._over(appliance, change.id))

    def _said(self, appliance: Appliance, change: Change) -> None:
        ledger = self._ledger(appliance)
        if change.state is ChangeState.DONE and change.generation > ledger.kept:
            ledger.kept = change.generation

    def _over(self, appliance: Appliance, identifier: str) -> None:
        """The wait of a change is over."""
        ledger, now = self._ledger(appliance), self.world.loop.time()
        known = ledger.changes[identifier]
        if known.asked or now < known.until + SLACK_SECONDS - 0.01 or self.broken is not None:
            return
        engine = appliance.engine
        if engine is None:
            if appliance.on:
                self._later(SLACK_SECONDS, lambda: self._over(appliance, identifier))
            return
        state = engine.state
        held = [one.document.generation for one in (state.in_force, state.tentative) if one is not None]
        same = (one for one in ledger.changes.values() if one.generation == known.generation)
        if known.generation in held and not any(one.asked for one in same):
            self.breaks(3, f"{appliance.name} keeps generation {known.generation}, which nobody confirmed")

    def _in_force(self, appliance: Appliance) -> None:
        if appliance.engine is None:
            return
        ledger, in_force = self._ledger(appliance), appliance.engine.state.in_force
        generation = in_force.document.generation if in_force is not None else 0
        if generation < ledger.kept:
            self.breaks(3, f"{appliance.name} lost generation {ledger.kept}, which was confirmed")
        brought = [one for one in ledger.changes.values() if one.generation == generation]
        if brought and all(one.confirm and not one.asked for one in brought):
            self.breaks(3, f"{appliance.name} put generation {generation} in force, which nobody confirmed")

    # Agents' lives

    def booted(self, appliance: Appliance) -> None:
        """See what an agent found."""
        assert appliance.engine is not None
        found = appliance.engine.state.in_force
        generation = found.document.generation if found is not None else 0
        self.world.tell(
            f"{appliance.name} is up, generation {generation}, epoch {appliance.engine.state.epoch}"
        )
        self._in_force(appliance)
        self._served()

    def died(self, appliance: Appliance, why: str) -> None:
        """An agent that died takes back what awaited a confirmation (decision 12), whoever relies on it."""
        self.world.tell(f"{appliance.name} dies: {why}")
        if appliance.name != PROVIDER or appliance.engine is None:
            return
        if appliance.engine.state.tentative is not None or appliance.engine.changes.in_flight is not None:
            self._excused_until = self.world.loop.time() + RESTART_SECONDS

    def excuse(self, seconds: float) -> None:
        """The provider's machine itself is down for a while."""
        self._excused_until = max(self._excused_until, self.world.loop.time() + seconds)

    def _ledger(self, appliance: Appliance) -> _Ledger:
        return self._ledgers.setdefault(appliance.name, _Ledger())


def _epoch(message: Message) -> tuple[int, int | None]:
    """Epoch and generation that a message carries."""
    match message.route.name:
        case "put_desired":
            document = codec.decode(message.body, Desired)
            return document.epoch, document.generation
        case "fence":
            return codec.decode(message.body, Fence).epoch, None
        case _:
            return int(dict(message.query)["epoch"]), None
