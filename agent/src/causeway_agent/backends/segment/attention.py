"""Frames of a packet socket, one after another, no more of them than the agent has time for.

A socket that always has another frame never lets the event loop go on: a guest that floods its segment with
questions would have all of the agent, and every tunnel of the appliance would be taken for dead. What arrives
above the rate waits in the socket, and is dropped there when it is full.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

from causeway_agent.backends.host.token_bucket import Bucket

_FRAME = 2048
_BURST_SECONDS = 0.05
"""What may be read at once is what the rate allows in this time."""


@dataclass(slots=True)
class Attention:
    """Reads a socket that does not block, at most `rate` frames per second. Lives in one event loop."""

    sock: socket.socket
    rate: float
    _bucket: Bucket = field(init=False)

    def __post_init__(self) -> None:
        burst = max(1.0, self.rate * _BURST_SECONDS)
        self._bucket = Bucket(self.rate, burst, asyncio.get_running_loop().time())

    async def frame(self) -> bytes:
        """The next frame. Raises OSError when the device goes down or away."""
        loop = asyncio.get_running_loop()
        if not self._bucket.take(loop.time()):
            await asyncio.sleep(_BURST_SECONDS)
            self._bucket.take(loop.time())
        return await loop.sock_recv(self.sock, _FRAME)
