"""Waiting for the first of several things."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def race(*rivals: Coroutine[Any, Any, object]) -> int:
    """Index of the rival that finishes first; the others are cancelled. What a rival raises is raised."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(rival) for rival in rivals]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
    return min(tasks.index(task) for task in done)
