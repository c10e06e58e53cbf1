"""All conversations of an application, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from causeway_agent.web.conversation import Application, Conversation, Deadlines
from causeway_agent.web.line import Line


class Server:
    """Serves an application on the connections that its lines are made for."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._under_way: dict[asyncio.Task[None], Conversation] = {}

    def line(
        self,
        deadlines: Deadlines,
        *,
        made: Callable[[asyncio.Transport], None] = lambda _: None,
        lost: Callable[[], None] = lambda: None,
    ) -> Line:
        """The protocol of a connection; its owner is told when it stands and when it has ended."""

        def begin(line: Line) -> None:
            made(line.transport)
            conversation = Conversation(line, application=self._application, deadlines=deadlines)
            task = asyncio.get_running_loop().create_task(conversation.run())
            self._under_way[task] = conversation
            task.add_done_callback(self._under_way.pop)

        return Line(made=begin, lost=lambda _: lost())

    async def shutdown(self, seconds: float) -> None:
        """End the connections: without a request at once, others when it is answered or so much later."""
        under_way = dict(self._under_way)
        if not under_way:
            return
        for task, conversation in under_way.items():
            conversation.retire()
            if conversation.waiting:
                task.cancel()
        _, late = await asyncio.wait(under_way, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        for conversation in under_way.values():
            conversation.close()  # one that was cancelled before it began has not done so
