"""Loader entries as systemd-boot reads them: names that count tries, and which of them starts. No effects.

UAPI.1 Boot Loader Specification ("Boot counting", "Sorting"); systemd-boot(7). `SLOT+LEFT-DONE.conf` counts:
systemd-boot takes one from LEFT at each start, by renaming. An entry with none left goes behind all others;
among the others the one with the highest version goes first, and so the number that each activation takes
one higher decides. Nothing else does: no `default`, no firmware variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from causeway_wire.update import Slot

SORT_KEY = "causeway"
_NAME = re.compile(r"(?P<slot>[ab])(?:\+(?P<left>[0-9]{1,4})(?:-(?P<done>[0-9]{1,4}))?)?\.conf", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file below `loader/entries`."""

    name: str
    slot: Slot
    left: int | None = None
    """Tries left; None for an entry that does not count."""
    serial: int = 0
    sorted: bool = True
    """Whether it has our sort key; those without go behind those with."""


def slot_of(name: str) -> Slot | None:
    """The slot that a file of this name is about, whatever it says; None when it is none of ours."""
    match = _NAME.fullmatch(name)
    return None if match is None else Slot(match["slot"])


def parse(name: str, text: bytes) -> Entry | None:
    """The entry of this name and content; None when it is none of ours."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    pairs = (line.split(maxsplit=1) for line in text.decode("utf-8", "replace").splitlines())
    fields = {pair[0]: pair[1].strip() for pair in pairs if len(pair) > 1}
    if "linux" not in fields:
        return None  # systemd-boot ignores what says nothing to start
    version = fields.get("version", "")
    return Entry(
        name=name,
        slot=Slot(match["slot"]),
        left=None if match["left"] is None else int(match["left"]),
        serial=int(version) if version.isascii() and version.isdecimal() else 0,
        sorted=fields.get("sort-key") == SORT_KEY,
    )


def first(entries: Iterable[Entry]) -> Entry | None:
    """The entry that starts next."""
    return min(entries, key=_place, default=None)


def newest(entries: Iterable[Entry], slot: Slot) -> Entry | None:
    """The entry that says what this slot is worth; a power cut can leave several."""
    return first(entry for entry in entries if entry.slot is slot)


def next_serial(entries: Iterable[Entry]) -> int:
    """Higher than all."""
    return 1 + max((entry.serial for entry in entries), default=0)


def name(slot: Slot, *, tries: int | None = None) -> str:
    """The name of an entry; with `tries` of one that counts them."""
    return f"{slot}.conf" if tries is None else f"{slot}+{tries}.conf"


def render(slot: Slot, *, version: str, serial: int, options: str) -> bytes:
    """The text of an entry."""
    return (
        f"title Causeway {version} ({slot})\nsort-key {SORT_KEY}\nversion {serial}\n"
        f"linux /causeway/{slot}/linux\ninitrd /causeway/{slot}/initrd\noptions {options}\n"
    ).encode()


def _place(entry: Entry) -> tuple[bool, bool, int, int, bool]:
    """Where it stands in systemd-boot's order, smallest first. Names order equals: the higher goes first, and
    one that counts stands behind the same without.
    """
    counts = entry.left is not None
    return (entry.left == 0, not entry.sorted, -entry.serial, -ord(entry.slot), counts)
