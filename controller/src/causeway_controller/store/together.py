"""What many ask at the same time, answered at once: a transaction for each costs more than its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

Asked = TypeVar("Asked")
Given = TypeVar("Given")

_MOST: Final = 200
"""Of one transaction: others, such as a lease, wait for its end."""


class Together(Generic[Asked, Given]):
    """Who asks while others are answered is answered next, with all who asked meanwhile."""

    def __init__(self, answer: Callable[[Sequence[Asked]], Sequence[Given | Exception]]) -> None:
        """`answer` is called in a thread, one call at a time; it gives each an answer or an error."""
        self._answer = answer
        self._waiting: list[tuple[Asked, asyncio.Future[Given]]] = []
        self._answering: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Given:
        """Return what is answered to it, by a call that began after this one. Raises what it is given, or
        what the whole call raised.

        Who is cancelled while it is answered does not take back what was asked.
        """
        given: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, given))
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer_all())
        return await given

    async def _answer_all(self) -> None:
        while self._waiting:
            now, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                found = await asyncio.to_thread(self._answer, [asked for asked, _ in now])
            except Exception as error:  # noqa: BLE001 - each who asked raises it
                found = [error] * len(now)
            for (_, given), one in zip(now, found, strict=True):
                if given.done():
                    continue  # who asked was cancelled
                if isinstance(one, Exception):
                    given.set_exception(one)
                else:
                    given.set_result(one)
