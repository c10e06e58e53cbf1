"""How an authority is replaced without a moment in which two of its subjects do not trust each other. Pure.

    new generation ─▶ trusted everywhere ─▶ signs ─▶ everybody has a certificate of it ─▶ the old one goes

Which phase is next follows from the ledger alone, so each may be repeated, and a controller that takes over
goes on with the same. At most two generations are trusted at once: documents have room for no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Issued


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One key and certificate of an authority; later ones have higher numbers."""

    number: int
    not_before: datetime
    not_after: datetime
    trusted: datetime | None
    """Since when everybody who must trust it was told so: since then it may sign."""
    retired: datetime | None = None
    """Since when nobody shall trust it; its key is gone."""


@dataclass(frozen=True, slots=True)
class Steady:
    """Nothing is to be done before this moment; then a new generation."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Add:
    """Make a new generation: there is none, or two thirds of the last one's life are over."""


@dataclass(frozen=True, slots=True)
class Distribute:
    """Send the bundle with this generation to all who must trust it, then say so to the ledger."""

    generation: int


@dataclass(frozen=True, slots=True)
class Reissue:
    """Issue new certificates for the subjects of these: an older generation signed them."""

    certificates: tuple[Issued, ...]


@dataclass(frozen=True, slots=True)
class Install:
    """Install these, which are issued, and say so to the ledger: others are still shown in their place."""

    certificates: tuple[Issued, ...]


@dataclass(frozen=True, slots=True)
class Retire:
    """Take this generation away, then send the bundle without it."""

    generation: int


Phase = Steady | Add | Distribute | Reissue | Install | Retire


def next_phase(generations: Iterable[Generation], records: Iterable[Issued], *, now: datetime) -> Phase:
    """What comes next for an authority, given all certificates of it that have not ended."""
    alive = sorted((each for each in generations if each.retired is None), key=lambda each: each.number)
    if not alive:
        return Add()
    newest, oldest = alive[-1], alive[0]
    if newest.trusted is None:
        return Distribute(newest.number)
    if newest is oldest:
        until = certificates.renew_at(newest.not_before, newest.not_after)
        return Add() if now >= until else Steady(until)
    return _replacing(oldest, newest, certificates.shown(records, now=now))


def signing(generations: Iterable[Generation]) -> Generation | None:
    """The generation that signs: the newest that all trust."""
    able = (each for each in generations if each.retired is None and each.trusted is not None)
    return max(able, key=lambda each: each.number, default=None)


def _replacing(oldest: Generation, newest: Generation, shown: tuple[Issued, ...]) -> Phase:
    last: dict[str, Issued] = {}
    for each in sorted(shown, key=lambda each: each.number):
        last[each.subject.slot] = each
    behind = tuple(each for each in last.values() if each.generation < newest.number)
    if behind:
        return Reissue(behind)
    old = {each.subject.slot for each in shown if each.generation < newest.number}
    waiting = tuple(each for slot, each in last.items() if slot in old)
    return Install(waiting) if waiting else Retire(oldest.number)
