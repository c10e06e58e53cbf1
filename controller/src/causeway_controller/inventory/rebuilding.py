"""Whether a dead appliance is to be brought back by itself, and when that stops. Pure.

Conservative: what only seems dead serves somebody. Nothing is touched while its host does not say what became
of its machine, while nobody else is heard on the same way, or when it was done too often already: a login
that sees no machines any more must not lead to a second one of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.provider import Rebuild
from causeway_controller.inventory.health import Deployed, Power
from causeway_wire.types import Name, TenantId

MOST: Final = 3
"""Rebuilds on one host within `WINDOW`; then it stops until a person has looked, or the time is over."""
WINDOW: Final = timedelta(hours=1)
_PAUSE: Final = timedelta(minutes=5)
"""Between two rebuilds of one appliance."""
_GONE: Final = timedelta(seconds=60)
_SILENT: Final = timedelta(minutes=10)
"""How long it must have been so; and never less than `_LOOKS` looks in a row."""
_LOOKS: Final = 3
_FRESH: Final = 2
"""Intervals within which it must have been looked at: its turn comes earlier or later."""
_WANTED: Final = {
    Condition.MISSING: Power.MISSING,
    Condition.OFF: Power.OFF,
    Condition.SILENT: Power.ON,
}
"""What its host must say of its machine, asked again immediately before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A rebuild that was begun."""

    run: str
    tenant: TenantId
    host: Name
    """As of `Deployed`."""
    on: Name
    """The host that its machine was on."""
    at: datetime
    open: bool
    """Whether it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What besides the appliance itself decides."""

    policy: Rebuild
    """Of its host."""
    neighbours: tuple[Deployed, ...]
    """Appliances that are managed over the same network of the same host."""
    attempts: tuple[Attempt, ...]
    """On its host, within `WINDOW`."""
    now: datetime
    interval: timedelta
    """Between two looks."""
    patience: float = 1.0
    """How many times longer than usual an appliance may take to start, and so be silent."""


def dead(one: Deployed) -> bool:
    """Whether it may have to be brought back. An idle one may be off: a failover starts it."""
    if one.condition is Condition.OFF:
        return one.serves
    return one.condition in {Condition.MISSING, Condition.SILENT}


def due(one: Deployed, around: Surroundings) -> str:
    """Return why it is brought back now; empty when it is not."""
    if around.policy is Rebuild.NEVER or not dead(one) or not _lasts(one, around):
        return ""
    if _exhausted(around) or any(_too_soon(attempt, one, around) for attempt in around.attempts):
        return ""
    if one.condition is not Condition.SILENT:
        return "its host has no such machine" if one.condition is Condition.MISSING else "it was powered off"
    if (one.serves and around.policy is not Rebuild.ALWAYS) or not _heard(one, around):
        return ""
    return f"no answer since {one.seen or one.since:%H:%M:%S} UTC, while others on the same network answer"


def agrees(one: Deployed, power: Power) -> bool:
    """Whether what its host says of its machine fits how it was judged."""
    return _WANTED.get(one.condition) is power


def told(one: Deployed, attempts: Sequence[Attempt], *, on: Name, now: datetime, retired: str = "") -> str:
    """Return what becomes of a dead appliance by itself, for who reads that it is dead; empty: nothing.

    `on`: the host that its machine is on; `retired`: the run that failed to have it away.
    """
    if retired and dead(one):
        again = f"gateway redeploy {one.id}" if one.gateway else f"appliance redeploy {one.tenant} {one.host}"
        return (
            f"it was to be retired, so nothing brings it back by itself: `causeway run retry {retired}` "
            f"goes on with that, `causeway {again}` has it back"
        )
    here = recent(attempts, on, now=now)
    for each in here:
        if each.open and _of(each, one):
            return f"it is being brought back: `causeway run watch {each.run}`"
    if not dead(one) or len(here) < MOST:
        return ""
    until = here[-MOST].at + WINDOW
    return (
        f"{len(here)} were brought back on {on} within an hour, so it stops until {until:%H:%M} UTC: "
        f"look at the host, then at `causeway run report {here[-1].run}`"
    )


def _lasts(one: Deployed, around: Surroundings) -> bool:
    """Whether it has been so for long enough, and was seen so lately."""
    if one.since is None or one.asked is None or around.now - one.asked > _FRESH * around.interval:
        return False
    least = around.patience * _SILENT if one.condition is Condition.SILENT else _GONE
    return around.now - one.since >= max(least, _LOOKS * around.interval)


def _exhausted(around: Surroundings) -> bool:
    return len(around.attempts) >= MOST


def _too_soon(attempt: Attempt, one: Deployed, around: Surroundings) -> bool:
    return _of(attempt, one) and (attempt.open or around.now - attempt.at < _PAUSE)


def _of(attempt: Attempt, one: Deployed) -> bool:
    return (attempt.tenant, attempt.host) == (one.tenant, one.host)


def _heard(one: Deployed, around: Surroundings) -> bool:
    """Whether somebody answered over the same network after this one fell silent."""
    since = one.since or around.now
    return any(_answered_after(each, since) for each in around.neighbours if each.id != one.id)


def _answered_after(each: Deployed, since: datetime) -> bool:
    return each.seen is not None and each.seen == each.asked and each.seen > since


def recent(attempts: Iterable[Attempt], on: Name, *, now: datetime) -> tuple[Attempt, ...]:
    """Return those on this host within `WINDOW`, the oldest first."""
    found = (each for each in attempts if each.on == on and now - each.at < WINDOW)
    return tuple(sorted(found, key=lambda each: (each.at, each.run)))
