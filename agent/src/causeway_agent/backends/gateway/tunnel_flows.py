"""What the gateway knows about its tunnels: the flows of each, and which tunnels are at home where."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from causeway_agent.backends.gateway.flow_map import Source
from causeway_agent.backends.gateway.known_keys import Tunnel
from causeway_agent.plan.filter import door
from causeway_wire.types import IPAddress, IPNetwork

FLOWS: Final = 8
"""Flows a tunnel may have at once. More than one, so that a first packet copied from another gateway's wire
cannot displace the tunnel; not many, so that no tenant can fill the map. Silent ones time out in the kernel.
"""
REMEMBERED: Final = 3600.0
"""Seconds for which a tunnel is still expected near where it was heard last."""


class TunnelFlows:
    """Flows by tunnel, the one admitted last at the end. Times are monotonic seconds."""

    def __init__(self, servers: Mapping[tuple[Tunnel, int], Source]) -> None:
        """`servers`: of each tunnel by IP version; flows keep theirs."""
        self._servers = servers
        self._tunnels = {server: tunnel for (tunnel, _), server in servers.items()}
        self._flows: dict[Tunnel, OrderedDict[Source, None]] = {}
        self._owners: dict[Source, Tunnel] = {}
        self._heard: dict[Source, float] = {}
        self._homes: dict[IPNetwork, dict[Source, None]] = {}

    def refresh(self, carried: Mapping[Source, Source], now: float) -> list[Source]:
        """Learn what the kernel carries, server by source; the sources that lead nowhere any more."""
        lost = []
        for source, server in carried.items():
            tunnel = self._tunnels.get(server)
            if tunnel is None:
                lost.append(source)
            elif self._owners.get(source) == tunnel:
                self._heard[source] = now
            else:
                lost += self.add(tunnel, source, now)
        for source in [one for one, heard in self._heard.items() if now - heard > REMEMBERED]:
            self.remove(source)
        return lost

    def add(self, tunnel: Tunnel, source: Source, now: float) -> list[Source]:
        """A tunnel has another flow; the flows that are too many now, already removed here."""
        self.remove(source)
        flows = self._flows.setdefault(tunnel, OrderedDict())
        flows[source] = None
        self._owners[source] = tunnel
        self._heard[source] = now
        self._homes.setdefault(home(source[0]), {})[source] = None
        crowd = [*flows][:-FLOWS]
        for oldest in crowd:
            self.remove(oldest)
        return crowd

    def remove(self, source: Source) -> None:
        """A flow is no more."""
        tunnel = self._owners.pop(source, None)
        if tunnel is None:
            return
        del self._heard[source], self._flows[tunnel][source]
        if not self._flows[tunnel]:
            del self._flows[tunnel]
        place = home(source[0])
        del self._homes[place][source]
        if not self._homes[place]:
            del self._homes[place]

    def homes(self) -> frozenset[IPNetwork]:
        """Where there are tunnels."""
        return frozenset(self._homes)

    def crowd(self, place: IPNetwork) -> int:
        """How many flows there are at most in this neighbourhood."""
        return len(self._homes.get(place, ()))

    def near(self, address: IPAddress) -> list[Source]:
        """Servers of the tunnels that this address may belong to: its own first, then its neighbours'."""
        sources = self._homes.get(home(address), ())
        return _distinct(
            self._servers[self._owners[source], address.version]
            for own in (True, False)
            for source in reversed([*sources])
            if (source[0] == address) is own
        )

    def tunnel(self, server: Source) -> Tunnel:
        """Whose server this is."""
        return self._tunnels[server]


def home(address: IPAddress) -> IPNetwork:
    """The neighbourhood of an address."""
    bits = door.HOMES[address.version]
    return ipaddress.ip_network((address, bits), strict=False)


def _distinct(servers: Iterable[Source]) -> list[Source]:
    return list(dict.fromkeys(servers))
