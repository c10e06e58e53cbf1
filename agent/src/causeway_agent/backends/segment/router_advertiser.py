"""Sends router advertisements on a segment whose IPv6 gateway this appliance is (RFC 4861, 6.2).

Booting replicas ask and are answered at once; those that run hear of their new router from the first ones.
When the gateway is given back the last one says so. The pace is the standard's.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from causeway_agent import errors
from causeway_agent.backends.host.token_bucket import Bucket, Buckets
from causeway_agent.backends.segment import packet_socket, router_frames
from causeway_agent.backends.segment.attention import Attention
from causeway_agent.backends.segment.router_frames import Sender
from causeway_agent.plan.model.processes import RouterAdvertiser

INITIAL: Final = 3
"""Advertisements that follow each other soon, after a start."""
INITIAL_SECONDS: Final = 16.0
LONGEST_SECONDS: Final = 600.0
SHORTEST_SECONDS: Final = 200.0
SPACING_SECONDS: Final = 3.0
"""Between two to everyone."""
FAREWELLS: Final = 3
_HEARD = 500.0
"""Solicitations looked at per second."""
_ANSWERS, _BURST = 100.0, 200.0
"""To hosts that asked, per second and at once; more than are let in of those who ask under ever new MAC
addresses, so that they do not take it from the others.
"""
_ANSWERS_OF_ONE, _BURST_OF_ONE = 5.0, 10.0
"""To one MAC address: who floods must not take the others' answers."""
_REMEMBERED = 4096
"""MAC addresses."""
_LINK, _TENTATIVE = 0x20, 0x40
"""Scope and flag of an address (linux/ipv6.h, linux/if_addr.h)."""
_PATIENCE = 1.0
"""Seconds until an adapter without a usable link-local address is looked at again."""


@dataclass(slots=True)
class _Pace:
    """When the next advertisement to everyone is due."""

    due: float
    sent: int = 0
    last: float = float("-inf")

    def said(self, now: float) -> None:
        """One was sent."""
        self.sent, self.last = self.sent + 1, now
        longest = min(LONGEST_SECONDS, INITIAL_SECONDS) if self.sent < INITIAL else LONGEST_SECONDS
        self.due = now + random.uniform(min(SHORTEST_SECONDS, longest), longest)  # noqa: S311 - spreads load

    def hurry(self, now: float) -> None:
        """Somebody without an address asked: everyone is told, but not too often."""
        self.due = min(self.due, max(now, self.last + SPACING_SECONDS))


async def advertise(spec: RouterAdvertiser, ready: Callable[[], None]) -> None:
    """Advertise until cancelled; calls `ready` once solicitations are heard.

    Raises BackendError when the device is missing, goes down or away.
    """
    loop = asyncio.get_running_loop()
    try:
        with packet_socket.open_icmpv6(spec.device, kind=router_frames.SOLICITATION) as sock:
            admission = packet_socket.admission(sock, kind=router_frames.SOLICITATION)
            attention = Attention(sock, _HEARD, admission, spec.device)
            ready()
            pace, bucket = _Pace(loop.time()), Bucket(_ANSWERS, _BURST, loop.time())
            buckets = Buckets(_ANSWERS_OF_ONE, _BURST_OF_ONE, _REMEMBERED)
            while True:
                asked = await _heard(attention, pace.due)
                sender, now = _sender(spec.device, sock), loop.time()
                if sender is None:
                    pace.due = max(pace.due, now + _PATIENCE)
                elif now >= pace.due:
                    await loop.sock_sendall(sock, router_frames.advertisement(spec, sender))
                    pace.said(now)
                elif asked is not None and asked.source.is_unspecified:
                    pace.hurry(now)
                elif asked is not None and buckets.take(asked.mac, now) and bucket.take(now):
                    await loop.sock_sendall(sock, router_frames.advertisement(spec, sender, to=asked))
    except OSError as error:
        doing = f"send router advertisements on {spec.device}"
        raise errors.BackendError(doing, error.strerror or str(error)) from error


async def take_leave(spec: RouterAdvertiser) -> None:
    """Tell the segment that this is no router any more (RFC 4861, 6.2.5). Raises OSError."""
    with packet_socket.open_icmpv6(spec.device, kind=router_frames.SOLICITATION) as sock:
        sender = _sender(spec.device, sock)
        if sender is not None:
            frame = router_frames.advertisement(spec, sender, leaving=True)
            for _ in range(FAREWELLS):
                await asyncio.get_running_loop().sock_sendall(sock, frame)


async def _heard(attention: Attention, until: float) -> router_frames.Solicitation | None:
    """The next solicitation, or None at this moment."""
    try:
        async with asyncio.timeout_at(until):
            return router_frames.parse_solicitation(await attention.frame())
    except TimeoutError:
        return None


def _sender(device: str, sock: socket.socket) -> Sender | None:
    """Who speaks; None while the adapter has no link-local address that is known to be its own."""
    for line in Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines():
        text, _, _, scope, flags, name = line.split()
        if name == device and int(scope, 16) == _LINK and not int(flags, 16) & _TENTATIVE:
            return Sender(IPv6Address(bytes.fromhex(text)), packet_socket.mac_of(sock))
    return None
