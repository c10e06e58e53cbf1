"""How long an event loop keeps others waiting: in it tunnels are asked all the time whether they live."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def stalls() -> AsyncIterator[list[float]]:
    """How late the event loop comes back to who sleeps a hundredth of a second."""
    found: list[float] = []

    async def look() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            found.append(time.monotonic() - before - 0.01)

    task = asyncio.create_task(look())
    try:
        yield found
    finally:
        task.cancel()
