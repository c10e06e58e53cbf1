"""Conditions of a line as people write and read them: `40ms`, `1%`, `20mbit`, `50:90`. Pure.

What cannot be read raises ConditionError, which names the option.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from causeway_lab.world.line.conditions import (
    QUEUE,
    Blocked,
    ConditionError,
    Conditions,
    Direction,
    Way,
)

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z%]*)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0}
_SHARES = {"%": 0.01}
_BITS = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_OCTETS = {"": 1.0, "k": 1024.0, "m": 1024.0**2}
_WHOLE = {"": 1.0}


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one command as written; None for those that were left out. `direction` limits them."""

    delay: str | None = None
    jitter: str | None = None
    loss: str | None = None
    duplicate: str | None = None
    reorder: str | None = None
    pause: str | None = None
    rate: str | None = None
    queue: str | None = None
    mtu: str | None = None
    icmp: bool | None = None
    block: tuple[str, ...] = ()
    direction: str | None = None
    nat: bool | None = None
    rebind_every: str | None = None
    seed: int | None = None


def applied(before: Conditions, wording: Wording) -> Conditions:
    """The conditions after the command; what it left out stays. Raises ConditionError naming the option."""
    changes: dict[str, Any] = {}
    for option, read in _READERS.items():
        text = getattr(wording, option)
        if text is not None:
            changes |= read(f"--{option}", text)
    if wording.icmp is not None:
        changes["icmp"] = wording.icmp
    if wording.block:
        changes["blocked"] = tuple(_named("--block", text, Blocked) for text in wording.block)
    directions = () if wording.direction is None else (_named("--direction", wording.direction, Direction),)
    after = _translated(before.changed(*directions, **changes), wording)
    _check(after, wording)
    return after


def _translated(conditions: Conditions, wording: Wording) -> Conditions:
    changes: dict[str, Any] = {}
    if wording.rebind_every is not None:
        every = _quantity("--rebind-every", wording.rebind_every, _SECONDS, "5s")
        changes = {"rebind_every": every, "nat": True}
    if wording.nat is not None:
        changes["nat"] = wording.nat
    if wording.seed is not None:
        changes["seed"] = wording.seed
    return msgspec.structs.replace(conditions, **changes)


def _check(conditions: Conditions, wording: Wording) -> None:
    """Raises ConditionError in the words of the command."""
    try:
        conditions.check()
    except ConditionError as error:
        member = _MEMBER_OF.get(error.field, error.field)
        option = f"--{member.replace('_', '-')}"
        raise ConditionError(option, error.expected, getattr(wording, member)) from error


_MEMBER_OF = {
    "reorder_every": "reorder",
    "reorder_depth": "reorder",
    "pause_every": "pause",
    "pause_for": "pause",
}


def _quantity(option: str, text: str, units: Mapping[str, float], example: str) -> float:
    found = _NUMBER.fullmatch(text.strip())
    factor = units.get(found[2].lower()) if found else None
    if found is None or factor is None:
        raise ConditionError(option, f"is written like {example}", text)
    return float(found[1]) * factor


_Kind = TypeVar("_Kind", bound=enum.StrEnum)


def _named(option: str, text: str, kinds: type[_Kind]) -> _Kind:
    try:
        return kinds(text.lower())
    except ValueError:
        raise ConditionError(option, f"is one of {', '.join(kinds)}", text) from None


def _pair(option: str, text: str, units: Mapping[str, float], example: str) -> tuple[float, float]:
    first, colon, second = text.partition(":")
    if not colon:
        raise ConditionError(option, f"is written like {example}", text)
    return _quantity(option, first, units, example), _quantity(option, second, units, example)


def _one(member: str, units: Mapping[str, float], example: str) -> Reader:
    whole = isinstance(getattr(Way(), member), int)

    def read(option: str, text: str) -> dict[str, Any]:
        value = _quantity(option, text, units, example)
        return {member: round(value) if whole else value}

    return read


def _reorder(option: str, text: str) -> dict[str, Any]:
    every, depth = _pair(option, text, _WHOLE, "50:90, one packet in 50 overtaken by 90")
    return {"reorder_every": round(every), "reorder_depth": round(depth)}


def _pause(option: str, text: str) -> dict[str, Any]:
    every, lasting = _pair(option, text, _SECONDS, "5s:800ms, every 5 s all wait 0.8 s")
    return {"pause_every": every, "pause_for": lasting}


Reader = Callable[[str, str], dict[str, Any]]
_READERS: Mapping[str, Reader] = {
    "delay": _one("delay", _SECONDS, "40ms"),
    "jitter": _one("jitter", _SECONDS, "20ms"),
    "loss": _one("loss", _SHARES, "1%"),
    "duplicate": _one("duplicate", _SHARES, "1%"),
    "reorder": _reorder,
    "pause": _pause,
    "rate": _one("rate", _BITS, "20mbit"),
    "queue": _one("queue", _OCTETS, "256k, in octets"),
    "mtu": _one("mtu", _WHOLE, "1400"),
}


def told(conditions: Conditions) -> tuple[str, ...]:
    """The conditions in words, a line for each direction unless both are alike."""
    if conditions.clear:
        return ("clear",)
    up, down = (", ".join(_way(way)) or "clear" for way in (conditions.up, conditions.down))
    ways = (up,) if up == down else (f"up: {up}", f"down: {down}")
    every = conditions.rebind_every
    ports = f"ports rebound every {_time(every)}" if every else "ports translated"
    return tuple(one for one in ways if one != "clear") + ((ports,) if conditions.nat else ())


def _way(way: Way) -> Iterator[str]:
    if way.delay:
        yield f"{_time(way.delay)}{f' ± {_time(way.jitter)}' if way.jitter else ''}"
    if way.loss:
        yield f"{way.loss * 100:.4g} % lost"
    if way.duplicate:
        yield f"{way.duplicate * 100:.4g} % doubled"
    if way.reorder_every:
        yield f"1 in {way.reorder_every} overtaken by {way.reorder_depth}"
    if way.pause_every:
        yield f"{_time(way.pause_for)} pause every {_time(way.pause_every)}"
    if way.rate:
        yield f"{way.rate / 1e6:.4g} Mbit/s"
    if way.queue != QUEUE:
        yield f"queue of {way.queue} octets"
    if way.mtu:
        yield f"MTU {way.mtu}{'' if way.icmp else ' without ICMP'}"
    if way.blocked:
        yield f"no {', '.join(way.blocked)}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms" if seconds < 1 else f"{seconds:.4g} s"
