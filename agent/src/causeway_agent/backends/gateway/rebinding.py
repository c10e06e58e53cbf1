"""Tunnels whose source changed on the way: a NAT gave them another port, or an address next to the old one.

Only the tunnel's server can tell whose a data packet is: it has the key. So packets of an unknown flow, from
near an address that has tunnels, are copied to the servers of those tunnels from a socket of that flow's own.
The one that can read it answers there (OpenVPN moves to where an authentic packet came from), which is the
proof; the flow is then the kernel's. What nobody can read changes nothing anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from causeway_agent.backends.gateway.flow_map import Source
from causeway_agent.backends.gateway.known_keys import Budget
from causeway_agent.backends.gateway.tunnel_flows import TunnelFlows, home
from causeway_wire.types import IPNetwork

COPIES: Final = 32
"""Servers that one packet is shown to; the next packet of the flow goes to the next ones."""
RATE: Final = 2000.0
"""Copies per second for one neighbourhood."""
SECONDS: Final = 2.0
"""How long a flow may be shown around, and how long it is relayed here until the kernel does."""

_FLOWS: Final = 256
_BATCH: Final = 64
_READ: Final = 65536

Proven = Callable[[Source, Source], None]
"""Called with the flow's source and the server that knows it."""


@dataclass(slots=True)
class _Asked:
    """A flow that is being shown around."""

    door: socket.socket
    asking: socket.socket
    servers: list[Source]
    end: asyncio.TimerHandle
    shown: int = 0
    server: Source | None = None


class Rebinding:
    """The flows under way. For the thread of the event loop."""

    def __init__(self, tunnels: TunnelFlows, proven: Proven) -> None:
        self._tunnels = tunnels
        self._proven = proven
        self._asked: OrderedDict[Source, _Asked] = OrderedDict()
        self._budgets: dict[IPNetwork, Budget] = {}

    def receive(self, packet: bytes, source: Source, door: socket.socket, now: float) -> str | None:
        """Show a data packet of an unknown flow around; the reason when that cannot be.

        `door` is the socket it came in by, `now` monotonic seconds. Raises OSError when no socket can be had.
        """
        asked = self._asked.get(source)
        if asked is not None and asked.server is not None:
            _send(asked.asking, packet, asked.server)
            return None
        place = home(source[0])
        copies = min(self._tunnels.crowd(place), COPIES)
        if not copies:
            return "no-tunnel-near"
        if not self._budget(place).take(copies, now):
            return "rate"
        asked = asked or self._open(source, door)
        for index in range(asked.shown, asked.shown + min(copies, len(asked.servers))):
            _send(asked.asking, packet, asked.servers[index % len(asked.servers)])
        asked.shown += copies
        return None

    def close(self) -> None:
        """Forget all flows."""
        for source in tuple(self._asked):
            self._end(source)

    def _budget(self, place: IPNetwork) -> Budget:
        if place not in self._budgets:
            homes = self._tunnels.homes()
            self._budgets = {known: budget for known, budget in self._budgets.items() if known in homes}
            self._budgets[place] = Budget(RATE)
        return self._budgets[place]

    def _open(self, source: Source, door: socket.socket) -> _Asked:
        """A socket for this flow; the one that has been asked about longest without an answer makes room."""
        if len(self._asked) >= _FLOWS:
            waiting = (one for one, asked in self._asked.items() if asked.server is None)
            self._end(next(waiting, next(iter(self._asked))))
        loop = asyncio.get_running_loop()
        asking = socket.socket(door.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        servers = self._tunnels.near(source[0])
        asked = _Asked(door, asking, servers, loop.call_later(SECONDS, self._end, source))
        self._asked[source] = asked
        loop.add_reader(asking, self._answer, source)
        return asked

    def _answer(self, source: Source) -> None:
        """A server answers: the flow is its client's. What it says goes on to the client meanwhile."""
        asked = self._asked[source]
        for _ in range(_BATCH):
            try:
                packet, (host, port, *_) = asked.asking.recvfrom(_READ)
            except OSError:  # nothing left
                return
            speaker = (ipaddress.ip_address(host), port)
            if speaker not in asked.servers:
                continue
            if asked.server is None:
                asked.server = speaker
                self._proven(source, speaker)
            _send(asked.door, packet, source)

    def _end(self, source: Source) -> None:
        asked = self._asked.pop(source, None)
        if asked is None:
            return
        asked.end.cancel()
        asyncio.get_running_loop().remove_reader(asked.asking)
        asked.asking.close()


def _send(way: socket.socket, packet: bytes, end: Source) -> None:
    with contextlib.suppress(OSError):  # a datagram that cannot be sent is lost, as on any line
        way.sendto(packet, (str(end[0]), end[1]))
