"""What network devices have counted (/proc/net/dev, net/core/net-procfs.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FILE: Final = "/proc/self/net/dev"
"""Read it with `proc_file`: one read of it tells no more than a page."""
_HEAD: Final = 2
"""Lines before the first device."""
_OCTETS_IN, _PACKETS_IN, _OCTETS_OUT, _PACKETS_OUT, _DROPPED_OUT = 0, 1, 8, 9, 11


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one device, since it was made."""

    octets_received: int
    received: int
    octets_sent: int
    sent: int
    dropped: int
    """Packets that it had no room for, instead of sending them."""


def of(data: bytes, device: str) -> Counts | None:
    """What this device has counted; None when it is not there."""
    wanted = device.encode()
    return next((_counts(figures) for name, figures in _lines(data) if name == wanted), None)


def beginning(data: bytes, prefixes: tuple[str, ...]) -> dict[str, Counts]:
    """What each device has counted whose name begins so."""
    wanted = tuple(prefix.encode() for prefix in prefixes)
    return {name.decode(): _counts(figures) for name, figures in _lines(data) if name.startswith(wanted)}


def _lines(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names, which are octets to the kernel, and figures as they are written."""
    for line in data.splitlines()[_HEAD:]:
        name, _, figures = line.partition(b":")
        yield name.strip(), figures


def _counts(figures: bytes) -> Counts:
    each = figures.split()
    columns = (_OCTETS_IN, _PACKETS_IN, _OCTETS_OUT, _PACKETS_OUT, _DROPPED_OUT)
    return Counts(*(int(each[column]) for column in columns))
