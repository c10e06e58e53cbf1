"""The connection to a host that whoever asks shares: opened by the first, and anew when it was given up.

At most one attempt to open one is under way. Who does not wait for its end leaves it to whoever asks next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from causeway_controller.hypervisors.shared import Shared
from causeway_controller.hypervisors.threads import failed, in_thread

Held = TypeVar("Held", bound=Shared[Any])


class Kept(Generic[Held]):
    """The connection to one host, while there is one."""

    def __init__(self, connect: Callable[[], Held], *, name: str) -> None:
        """`connect` blocks; `name`: of the threads."""
        self._connect = connect
        self._name = name
        self._opening: asyncio.Future[Held] | None = None
        self.there: Held | None = None
        """The one that is open, as far as is known."""

    async def get(self, seconds: float) -> Held:
        """Return it, opened if there is none.

        Raises TimeoutError when that takes longer, and what `connect` raises.
        """
        if self.there is not None:
            return self.there
        if self._opening is None or failed(self._opening):
            self._opening = in_thread(self._connect, name=self._name)
        opening = self._opening
        try:
            async with asyncio.timeout(seconds):
                self.there = await asyncio.shield(opening)
        finally:
            # One that is still under way is for whoever asks next.
            if opening.done() and self._opening is opening:
                self._opening = None
        return self.there

    def drop(self, connection: Held) -> None:
        """Have the next question asked on a new one; this one ends when its last question is answered."""
        if self.there is connection:
            self.there = None
        connection.drop()

    async def close(self, seconds: float) -> None:
        """End it, waiting for that so long, also one that is being opened. Raises nothing.

        Who still asks is answered first.
        """
        if self._opening is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(seconds):
                    self.there = await asyncio.shield(self._opening)
        ending = self.there
        if ending is not None:
            self.drop(ending)
            await in_thread(lambda: ending.wait(seconds), name=self._name)
