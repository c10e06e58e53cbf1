"""Frames of a packet socket, one after another, no more of them than the agent has time for.

A socket that always has another frame never lets the event loop go on: a guest that floods its segment with
questions would have all of the agent, and every tunnel of the appliance would be taken for dead. What arrives
above the rate waits in the socket, and is dropped there when it is full: the others' questions too. So when
there is too much, the socket's filter is told whom to let in (`audience`), and what waits of others is thrown
away. While there is not, a frame costs nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from causeway_agent.backends.host.token_bucket import Bucket
from causeway_agent.backends.segment import frames
from causeway_agent.backends.segment.audience import EVERYBODY, Audience, Heard

_FRAME = 2048
_BURST_SECONDS = 0.05
"""What may be read at once is what the rate allows in this time."""
_WAITING = 1024
"""Frames that are looked through at once; a socket holds fewer."""

LetIn = Callable[[Heard], None]
"""Has the socket receive what these machines say; may raise OSError."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class Attention:
    """Reads a socket that does not block, at most `rate` frames per second. Lives in one event loop."""

    sock: socket.socket
    rate: float
    let_in: LetIn
    device: str
    """Named in the log."""
    _bucket: Bucket = field(init=False)
    _audience: Audience = field(default_factory=Audience)
    _heard: Heard = EVERYBODY
    _next: asyncio.TimerHandle | None = None
    _kept: deque[bytes] = field(default_factory=deque)
    """Frames of those who are heard that waited behind others'."""

    def __post_init__(self) -> None:
        burst = max(1.0, self.rate * _BURST_SECONDS)
        self._bucket = Bucket(self.rate, burst, asyncio.get_running_loop().time())

    async def frame(self) -> bytes:
        """The next frame. Raises OSError when the device goes down or away."""
        loop = asyncio.get_running_loop()
        if not self._bucket.take(loop.time()):
            self._audience.crowded(loop.time())
            self._admit()
            self._forget()
            await asyncio.sleep(_BURST_SECONDS)
            self._bucket.take(loop.time())
        frame = self._kept.popleft() if self._kept else await loop.sock_recv(self.sock, _FRAME)
        self._audience.spoke(frames.sender(frame), loop.time())
        return frame

    def _admit(self) -> None:
        """Let those in who are heard now, and look again when others will be."""
        if self._next is not None:
            self._next.cancel()
        if self.sock.fileno() < 0:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        heard = self._audience.heard(now)
        if heard != self._heard:
            self.let_in(heard)
            for mac in heard.muted - self._heard.muted:
                _log.warning("flood", sender=mac.hex(":"), device=self.device)
            self._heard = heard
        due = self._audience.due(now)
        self._next = None if due is None else loop.call_at(due, self._admit)

    def _forget(self) -> None:
        """Throw away what waits of those who are not heard."""
        waiting = [*self._kept]
        with contextlib.suppress(BlockingIOError):
            while len(waiting) < _WAITING:
                waiting.append(self.sock.recv(_FRAME))
        self._kept = deque(frame for frame in waiting if frames.sender(frame) in self._heard)
