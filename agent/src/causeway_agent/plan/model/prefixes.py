"""Prefixes that addresses and prefixes are held against, each in about the same time however many there are.

A document of one megabyte names tens of thousands of either; all against all would take minutes, and whoever
may only observe may send one to be planned.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Generic, TypeVar

from causeway_wire.types import IPAddress, IPNetwork

Label = TypeVar("Label")
_BITS = {4: 32, 6: 128}


class Prefixes(Generic[Label]):
    """Prefixes with a label each; where several match, the one that was given first answers."""

    def __init__(self, entries: Iterable[tuple[IPNetwork, Label]]) -> None:
        self._labels: list[Label] = []
        self._places: dict[tuple[int, int], dict[int, int]] = {}
        """By IP version and length: the place of each prefix, by the bits that make it."""
        for prefix, label in entries:
            of_length = self._places.setdefault((prefix.version, prefix.prefixlen), {})
            of_length.setdefault(
                _head(prefix.version, int(prefix.network_address), prefix.prefixlen), self._next
            )
            self._labels.append(label)
        self._firsts = {version: self._starts(version) for version in _BITS}

    def around(self, address: IPAddress) -> Label | None:
        """The label of a prefix that the address lies in."""
        return self._label(self._holding(address.version, int(address), _BITS[address.version]))

    def containing(self, prefix: IPNetwork) -> Label | None:
        """The label of a prefix that this one lies in whole."""
        return self._label(self._holding(prefix.version, int(prefix.network_address), prefix.prefixlen))

    def overlapping(self, prefix: IPNetwork) -> Label | None:
        """The label of a prefix that shares an address with this one: prefixes nest or are apart."""
        first = int(prefix.network_address)
        around = self._holding(prefix.version, first, prefix.prefixlen)
        starts = self._firsts[prefix.version]
        at = bisect.bisect_left(starts, (first, -1))
        inside = (
            starts[at][1] if at < len(starts) and starts[at][0] <= int(prefix.broadcast_address) else None
        )
        return self._label(min((place for place in (around, inside) if place is not None), default=None))

    @property
    def _next(self) -> int:
        return len(self._labels)

    def _starts(self, version: int) -> list[tuple[int, int]]:
        """First address and place of every prefix of this IP version, in order."""
        return sorted(
            (head << (_BITS[version] - length), place)
            for (of, length), heads in self._places.items()
            if of == version
            for head, place in heads.items()
        )

    def _holding(self, version: int, first: int, longest: int) -> int | None:
        """The earliest place of a prefix, no longer than this, that this address lies in."""
        found = (
            heads.get(_head(version, first, length))
            for (of, length), heads in self._places.items()
            if of == version and length <= longest
        )
        return min((place for place in found if place is not None), default=None)

    def _label(self, place: int | None) -> Label | None:
        return None if place is None else self._labels[place]


def _head(version: int, first: int, length: int) -> int:
    return first >> (_BITS[version] - length)
