"""Answers neighbour solicitations for a whole prefix that lives behind a tunnel.

The kernel's proxy NDP (ip-neighbour(8)) answers for single addresses; hosts of the production site are not
known one by one. Duplicate address probes stay unanswered: an answer would keep a replica from using its own
address. The rate is bounded, because any host of the segment can ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Network

from causeway_agent import errors
from causeway_agent.backends import frames, packet_socket
from causeway_agent.plan.processes import NeighbourResponder

_FRAME = 2048
_RATE = 1000.0
"""Answers per second, on average."""
_BURST = 200.0


class _Bucket:
    """A token bucket: at most `_BURST` at once and `_RATE` per second."""

    def __init__(self, now: float) -> None:
        self._tokens = _BURST
        self._filled = now

    def take(self, now: float) -> bool:
        """Whether one more is allowed."""
        self._tokens = min(_BURST, self._tokens + (now - self._filled) * _RATE)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def respond(spec: NeighbourResponder, ready: Callable[[], None]) -> None:
    """Answer until cancelled; calls `ready` once solicitations are heard.

    Raises BackendError when the device is missing, goes down or away.
    """
    loop = asyncio.get_running_loop()
    bucket = _Bucket(loop.time())
    try:
        with packet_socket.open_icmpv6(spec.device, kind=frames.SOLICITATION) as sock:
            mac = packet_socket.mac_of(sock)
            ready()
            while True:
                asked = frames.parse_solicitation(await loop.sock_recv(sock, _FRAME))
                if asked is not None and is_answered(spec, asked, own=mac) and bucket.take(loop.time()):
                    await loop.sock_sendall(sock, frames.proxy_advertisement(asked, mac))
    except OSError as error:
        doing = f"answer neighbour solicitations on {spec.device}"
        raise errors.BackendError(doing, error.strerror or str(error)) from error


def is_answered(spec: NeighbourResponder, asked: frames.Solicitation, *, own: bytes) -> bool:
    """Whether this solicitation is for an address behind the tunnel, from a host that wants to talk to it."""
    return (
        not asked.source.is_unspecified
        and asked.mac != own
        and asked.target not in spec.excluded
        and any(isinstance(prefix, IPv6Network) and asked.target in prefix for prefix in spec.prefixes)
    )
