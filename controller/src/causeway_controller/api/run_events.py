"""What came of a run, at once or as it comes: as JSON, or as a stream of events (HTML, 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from causeway_controller.api.callers import Knows
from causeway_controller.api.exchange import Answer, Ask, Handler, whole
from causeway_controller.contract import routes
from causeway_controller.contract.routes import EVENT_STREAM, LAST_EVENT_ID, PAGE
from causeway_controller.contract.runs import RunEventReport, RunEventReports
from causeway_controller.store.run_reports import RunsTold
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem

POLL_SECONDS: Final = 0.5
"""Another controller may carry the run out: the store is what both know."""
KEEP_ALIVE_SECONDS: Final = 15.0
STREAM_SECONDS: Final = 600.0
"""Then the client comes again, and shows again who it is."""
STREAMS: Final = 256
"""At once."""
END: Final = "end"
"""The event that tells that no more will come; it has no number, for it is none of the run's."""


class RunEvents:
    """Reads the events of runs; `stopping` ends all streams."""

    def __init__(self, told: RunsTold, resolver: Knows | None = None) -> None:
        """With a resolver, who listens is asked again and again who they are."""
        self._told = told
        self._resolver = resolver
        self.stopping = asyncio.Event()
        self.streams = 0

    def handlers(self) -> Mapping[str, Handler]:
        """By the name of the route."""
        return {routes.RUN_EVENTS.name: self.events}

    async def events(self, ask: Ask) -> Answer | web.StreamResponse:
        """So far as JSON, or as a stream until the run is over."""
        after = ask.number("after", 0)
        if LAST_EVENT_ID in ask.headers:
            after = whole(LAST_EVENT_ID, ask.headers[LAST_EVENT_ID], lowest=0, highest=2**53 - 1)
        found = await self._read(ask, after)
        if EVENT_STREAM not in ask.http.headers.get("Accept", ""):
            return Answer(document=found)
        if not found.events and not found.open:
            return Answer(status=204)  # whoever listens need not come again (HTML, 9.2.3)
        if self.streams >= STREAMS:
            detail = f"{STREAMS} streams are open, the most at once; read the events as JSON"
            raise ProblemError(problem(ProblemType.UNAVAILABLE, detail, retry_after=10.0))
        self.streams += 1
        try:
            return await self._stream(ask, found)
        finally:
            self.streams -= 1

    async def _stream(self, ask: Ask, found: RunEventReports) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no"})
        await response.prepare(ask.http)
        if ask.http.method == "HEAD":
            return response
        clock = asyncio.get_running_loop().time
        end = clock() + STREAM_SECONDS
        last, spoken = 0, clock()
        while True:
            for event in found.events:
                await response.write(_event(event))
                last, spoken = event.number, clock()
            if not found.open:
                await response.write(f"event: {END}\ndata: {{}}\n\n".encode())
                break
            if clock() - spoken > KEEP_ALIVE_SECONDS:
                await response.write(b": still here\n\n")
                spoken = clock()
            if clock() > end or await self._pause():
                break
            if not await self._counts(ask):
                break
            found = await self._read(ask, last)
        await response.write_eof()
        return response

    async def _counts(self, ask: Ask) -> bool:
        """Whether who listens is known still."""
        if self._resolver is None:
            return True
        try:
            await self._resolver.caller(ask.http)
        except ProblemError:
            return False
        return True

    async def _pause(self) -> bool:
        """Whether the controller stops."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                return await self.stopping.wait()
        except TimeoutError:
            return False

    async def _read(self, ask: Ask, after: int) -> RunEventReports:
        return await asyncio.to_thread(
            self._told.events, ask.places["run"], after=after, limit=PAGE, tenant=ask.caller.tenant
        )


def _event(event: RunEventReport) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.kind.encode(), codec.encode(event))
