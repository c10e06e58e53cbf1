"""The requests of one connection, answered one after the other.

A handler goes on when its client leaves, as what it does may be half done; only a body that it waits for ends
with the connection. It is cancelled when the server ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import h11

from causeway_agent.web import head
from causeway_agent.web.line import PIECE_BYTES, Line
from causeway_agent.web.message import BodyError, Request, Response

QUIET_SECONDS: Final = 0.2
"""A client that was not understood has said all when it is silent so long."""
_EVENTS_IN_A_ROW: Final = 64
"""Of a long pipeline or of a body in tiny chunks, before others get their turn."""
_NO_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNFINISHED: Final = frozenset({h11.SEND_BODY, h11.ERROR})

Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds for a step of a conversation."""

    request: float
    """For a first line with its headers, from the connection's beginning or from the answer before."""
    answer: float
    """Until the client has taken an answer, or it is left."""
    linger: float
    """For a body that nobody wants: it is read all the same, so that the client gets to read its refusal."""


class Application(Protocol):
    """What is served."""

    async def answer(self, request: Request) -> Response:
        """The answer, whatever goes wrong; raises ConnectionError when the client is gone."""

    def garbled(self, error: Exception) -> Response:
        """The answer to what is no request."""


def _now() -> str:
    """The time as HTTP writes it (RFC 9110, 5.6.7); email.utils would bring a whole package along."""
    now = time.gmtime()
    day = f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]}"
    return f"{day} {time.strftime('%Y %H:%M:%S', now)} GMT"


class Conversation:
    """One connection's requests; `run` until it ends."""

    def __init__(self, line: Line, *, application: Application, deadlines: Deadlines) -> None:
        self._line, self._application, self._deadlines = line, application, deadlines
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=head.HEAD_BYTES)
        self._method = "GET"
        self._events = 0
        self._last = False
        self.waiting = True
        """Whether no request is under way."""

    def retire(self) -> None:
        """Let the request under way be the last."""
        self._last = True

    def close(self) -> None:
        """End the connection when what was sent is on its way."""
        self._line.close()

    async def run(self) -> None:
        """Answer requests until either side ends it."""
        try:
            while await self._exchange():
                self._parser.start_next_cycle()
        except ConnectionError:
            pass  # the client is gone; there is nobody to answer
        finally:
            self.close()

    async def _exchange(self) -> bool:
        """Answer one request; whether another one may follow."""
        self.waiting, self._method = True, "GET"
        try:
            async with asyncio.timeout(self._deadlines.request):
                request = await self._request()
        except TimeoutError:
            return False
        except (h11.RemoteProtocolError, head.NotHTTPError) as error:
            self._last = True
            await self._send(self._application.garbled(error))
            await self._hear_out()
            return False
        if request is None:
            return False
        self.waiting = False
        response = await self._application.answer(request)
        self._last |= not self._complete()
        await self._send(response)
        await self._linger()
        return not self._last and self._parser.our_state is self._parser.their_state is h11.DONE

    async def _request(self) -> Request | None:
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        self._method = event.method.decode("ascii")
        head.check(event)
        return head.request(event, transport=self._line.transport, receive=self._receive)

    async def _event(self) -> Event:
        """The parser's next; raises RemoteProtocolError, ConnectionResetError."""
        self._events += 1
        if self._events % _EVENTS_IN_A_ROW == 0:
            await asyncio.sleep(0)
        while (event := self._parser.next_event()) is h11.NEED_DATA:
            self._parser.receive_data(await self._line.more())
        return event

    async def _receive(self) -> bytes:
        """Some more of the body, see `Request.receive`."""
        if self._parser.their_state not in _UNFINISHED:
            return b""
        if self._parser.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[], reason=b"Continue")
            await self._line.send(self._parser.send(go_on) or b"")
        try:
            event = await self._event()
        except h11.RemoteProtocolError as error:
            raise BodyError(str(error)) from error
        return event.data if isinstance(event, h11.Data) else b""

    def _complete(self) -> bool:
        """Whether the request is here to its end; what is here of an unread body is thrown away."""
        with contextlib.suppress(h11.RemoteProtocolError):
            while self._parser.their_state is h11.SEND_BODY:
                if self._parser.next_event() is h11.NEED_DATA:
                    if not (data := self._line.held()):
                        break
                    self._parser.receive_data(data)
        return self._parser.their_state not in _UNFINISHED

    async def _send(self, response: Response) -> None:
        """Send it; a client that does not take it in time is left (ConnectionAbortedError)."""
        try:
            async with asyncio.timeout(self._deadlines.answer):
                await self._write(response)
        except TimeoutError as error:
            self._line.abort()
            raise ConnectionAbortedError("the client does not read") from error

    async def _write(self, response: Response) -> None:
        data = self._parser.send(self._head_of(response)) or b""
        body = b"" if self._method == "HEAD" or response.status in _NO_BODY else response.body
        for start in range(0, len(body), PIECE_BYTES):
            piece = h11.Data(data=body[start : start + PIECE_BYTES])
            await self._line.send(data + (self._parser.send(piece) or b""))
            data = b""
        data += self._parser.send(h11.EndOfMessage()) or b""
        if data:
            await self._line.send(data)

    def _head_of(self, response: Response) -> h11.Response:
        headers = [("Date", _now()), *response.headers.items()]
        if response.content_type is not None:
            headers.append(("Content-Type", response.content_type))
        if response.status not in _NO_BODY:
            headers.append(("Content-Length", str(len(response.body))))
        if self._last:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(response.status).phrase.encode("ascii")
        return h11.Response(status_code=response.status, headers=headers, reason=reason)

    async def _linger(self) -> None:
        """Read a body that nobody wanted to its end, for a while."""
        if self._parser.their_state is h11.ERROR:
            await self._hear_out()
        elif self._parser.their_state is h11.SEND_BODY:
            with contextlib.suppress(TimeoutError, h11.RemoteProtocolError):
                async with asyncio.timeout(self._deadlines.linger):
                    while isinstance(await self._event(), h11.Data):
                        pass

    async def _hear_out(self) -> None:
        """Read on until the client is silent: hanging up before could take the answer from it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadlines.linger):
                while True:
                    async with asyncio.timeout(QUIET_SECONDS):
                        await self._line.more()
