"""Answers neighbour solicitations for a whole prefix that lives behind a tunnel.

The kernel's proxy NDP (ip-neighbour(8)) answers for single addresses; hosts of the production site are not
known one by one. As with ARP only failed-over replicas are answered, each only so often, and duplicate
address probes not at all: an answer would keep a replica from using its own address.

A replica that confirms what it knows asks from its link-local address (RFC 4861, 7.3.3), which the document
does not name: it is known by the MAC address that it asked from under its own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from ipaddress import IPv6Network

from causeway_agent import errors
from causeway_agent.backends.host.token_bucket import Bucket, Buckets
from causeway_agent.backends.segment import frames, packet_socket
from causeway_agent.backends.segment.attention import Attention
from causeway_agent.plan.model.processes import NeighbourResponder

_HEARD = 2000.0
"""Solicitations looked at per second."""
_RATE = 1000.0
"""Answers per second to all, on average."""
_BURST = 200.0
_RATE_OF_ONE = 100.0
_BURST_OF_ONE = 100.0
"""To one MAC address: a replica that scans must not take the others' answers."""
_REMEMBERED = 4096
"""MAC addresses."""


@dataclass(slots=True)
class _Desk:
    """Who may be answered once more."""

    spec: NeighbourResponder
    own: bytes
    bucket: Bucket
    buckets: Buckets = field(default_factory=lambda: Buckets(_RATE_OF_ONE, _BURST_OF_ONE, _REMEMBERED))
    known: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    """MAC addresses of askers that asked under their own addresses."""

    def admits(self, asked: frames.Solicitation, sender: bytes, now: float) -> bool:
        """Whether to answer this solicitation, sent under this MAC address: what it says itself of where
        answers shall go is as its sender likes.
        """
        if not is_answered(self.spec, asked, own=self.own, known=self.known):
            return False
        if not asked.source.is_link_local:
            self.known[asked.mac] = None
            self.known.move_to_end(asked.mac)
            if len(self.known) > _REMEMBERED:
                self.known.popitem(last=False)
        return self.buckets.take(sender, now) and self.bucket.take(now)


async def respond(spec: NeighbourResponder, ready: Callable[[], None]) -> None:
    """Answer until cancelled; calls `ready` once solicitations are heard.

    Raises BackendError when the device is missing, goes down or away.
    """
    loop = asyncio.get_running_loop()
    try:
        with packet_socket.open_icmpv6(spec.device, kind=frames.SOLICITATION) as sock:
            mac = packet_socket.mac_of(sock)
            desk = _Desk(spec, mac, Bucket(_RATE, _BURST, loop.time()))
            admission = packet_socket.admission(sock, kind=frames.SOLICITATION)
            attention = Attention(sock, _HEARD, admission, spec.device)
            ready()
            while True:
                frame = await attention.frame()
                asked = frames.parse_solicitation(frame)
                if asked is not None and desk.admits(asked, frames.sender(frame), loop.time()):
                    await loop.sock_sendall(sock, frames.proxy_advertisement(asked, mac))
    except OSError as error:
        doing = f"answer neighbour solicitations on {spec.device}"
        raise errors.BackendError(doing, error.strerror or str(error)) from error


def is_answered(
    spec: NeighbourResponder, asked: frames.Solicitation, *, own: bytes, known: Container[bytes] = ()
) -> bool:
    """Whether this solicitation is for an address behind the tunnel, from a replica that wants to talk to it;
    `known` are MAC addresses of replicas.
    """
    return (
        not asked.source.is_unspecified
        and asked.mac != own
        and (
            spec.askers is None
            or asked.source in spec.askers
            or (asked.source.is_link_local and asked.mac in known)
        )
        and asked.target not in spec.excluded
        and any(isinstance(prefix, IPv6Network) and asked.target in prefix for prefix in spec.prefixes)
    )
