"""What is found out when somebody asks for the first time, and not at a start, which others wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

_Found = TypeVar("_Found")


class Once(Generic[_Found]):
    """Finds it out in a worker thread, once, however many ask at the same time."""

    def __init__(self, find: Callable[[], _Found]) -> None:
        self._find = find
        self._turn = asyncio.Lock()
        self._found: tuple[_Found] | None = None

    async def __call__(self) -> _Found:
        """What was found; raises what `find` raises, and finds out anew for who asks next."""
        async with self._turn:
            if self._found is None:
                self._found = (await asyncio.to_thread(self._find),)
            return self._found[0]
