"""A server of the agent's that runs while a test asks it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine


@contextlib.asynccontextmanager
async def serving(
    serve: Callable[[Callable[[], None]], Coroutine[None, None, None]],
) -> AsyncIterator[asyncio.Task[None]]:
    """It has said that it is ready, by what it is given, and is ended in the end."""
    ready = asyncio.Event()
    task = asyncio.ensure_future(serve(ready.set))
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
