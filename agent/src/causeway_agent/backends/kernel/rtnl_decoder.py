"""Decodes dumps of the kernel's tables; what was in the dump before is not decoded again.

Of a thousand routes one changes at a time, and each change and every look reads them all. The kernel's
messages about routes and proxy neighbours hold no times or counters, so the same octets say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from causeway_agent.backends.kernel.rtnl_schema import Family, Message

_Item = TypeVar("_Item")


class Decoder(Generic[_Item]):
    """Turns messages of one family into objects of the plan, or into none where they are not ours."""

    def __init__(self, family: Family, decode: Callable[[Message, Mapping[int, str]], _Item | None]) -> None:
        self._family, self._decode = family, decode
        self._names: Mapping[int, str] = {}
        self._known: dict[bytes, _Item | None] = {}
        self._items = frozenset[_Item]()

    def items(self, dump: Iterable[memoryview], names: Mapping[int, str]) -> frozenset[_Item]:
        """What the bodies of these messages, all of a dump, say where devices have these names by index."""
        seen = dict.fromkeys(map(bytes, dump))
        if names != self._names:
            self._names, self._known = dict(names), {}
        elif seen.keys() == self._known.keys():
            return self._items
        for body in seen:
            known = body in self._known
            seen[body] = self._known[body] if known else self._decode(Message(self._family, body), names)
        self._known = seen
        self._items = frozenset(item for item in seen.values() if item is not None)
        return self._items
