"""Event streams that a test feeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class EventFeed:
    """Fans each event out to every open stream, as a netlink group does."""

    def __init__(self) -> None:
        # In the order in which they were opened: a set's is that of memory, another one in each process.
        self._queues: dict[asyncio.Queue[str | Exception], None] = {}

    def emit(self, reason: str) -> None:
        """Tell every stream."""
        for queue in self._queues:
            queue.put_nowait(reason)

    def fail(self, error: Exception) -> None:
        """End every stream with this error."""
        for queue in self._queues:
            queue.put_nowait(error)

    async def stream(self) -> AsyncIterator[str]:
        """Events from now on."""
        queue: asyncio.Queue[str | Exception] = asyncio.Queue()
        self._queues[queue] = None
        try:
            while True:
                event = await queue.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            del self._queues[queue]
