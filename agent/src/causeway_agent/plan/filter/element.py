"""How the elements of sets are written in nft text: parts joined by dots, devices in quotes."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from causeway_wire.types import IPAddress, IPNetwork


def join(*parts: str | int | IPAddress | IPNetwork) -> str:
    """An element of several parts; devices are quoted already."""
    return " . ".join(map(written, parts))


@functools.lru_cache(maxsize=16384)
def written(part: str | int | IPAddress | IPNetwork) -> str:
    """The same part stands in several sets, and in the policies of one change after the other."""
    return str(part)


def quote(device: str) -> str:
    """A device's name, which may hold what nft would take for something else."""
    return f'"{device}"'


def refilled(name: str, elements: Iterable[str]) -> str:
    """The nft commands that put these into a set (`inet causeway pressed`), in place of what was there."""
    listed = ", ".join(elements)
    return f"flush set {name}\n" + (f"add element {name} {{ {listed} }}\n" if listed else "")
