"""Lines for kernel tests: before a place of `processes_lab`, and a world of two hosts with a line between.

with lines.before(site) as line:                   # a `processes_lab.Site`; the client's cable
    line.change(Conditions().changed(delay=0.04, jitter=0.02, loss=0.01))
    line.change(Conditions().changed(mtu=1400, icmp=False))
    line.change(Conditions().changed(Direction.UP, loss=1.0))          # one direction lost
    line.change(Conditions().changed(blocked=(Blocked.UDP,)))
    line.change(Conditions(nat=True)); line.rebind()                   # another outer port
    line.report().counters["up"]["lost"]
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from causeway_lab.world import namespaces
from causeway_lab.world.line.conditions import Conditions
from causeway_lab.world.line.line import Line
from causeway_wire.observed import Transport
from tests.kernel.processes_lab import GATEWAYS, Site, client, run, until

SITE_ADDRESSES = ("198.51.100.50", "2001:db8:100::50")
INTERNET_ADDRESSES = ("198.51.100.1", "2001:db8:100::1")
LINE_ADDRESSES = tuple(ipaddress.ip_address(text) for text in ("198.51.100.9", "2001:db8:100::9"))
UDP, TCP = Transport.UDP, Transport.TCP
WAYS = ((0, UDP), (1, UDP), (0, TCP), (1, TCP))
"""All of a site's client: a gateway's index and a transport each."""
_SO_RCVBUFFORCE = 33
_WORLDS = itertools.count()


@contextmanager
def before(site: Site, place: str = "c") -> Iterator[Line]:
    """The line between this place and the public segment; clear at first."""
    line = Line(
        namespace=None,
        port=f"{site.prefix}{place}p",
        bridge=f"{site.prefix}pub",
        directory=site.directory / "line",
        addresses=LINE_ADDRESSES,
    )
    try:
        yield line
    finally:
        line.close()


@contextmanager
def over_udp(site: Site, line: Line) -> Iterator[None]:
    """The tunnel up over UDP, all ways known and open, the line clear; it is clear again afterwards."""
    line.change(Conditions())
    for index in range(len(GATEWAYS)):
        site.unblock(index)
    agent = site.agents["c"]
    agent.stop(client(site.keys, (0, UDP)))
    agent.start(client(site.keys, *WAYS))
    until(lambda: agent.report()["transport"] == UDP, 15)
    time.sleep(1.0)
    try:
        yield
    finally:
        line.change(Conditions())


@dataclass(frozen=True)
class World:
    """Two hosts, each in its namespace, and the line before the first."""

    site: str
    internet: str
    line: Line

    def udp(self, version: int = 4) -> tuple[socket.socket, socket.socket]:
        """Connected sockets at the site and bound ones at the internet, both waiting a second at most."""
        index, family = (0, socket.AF_INET) if version == 4 else (1, socket.AF_INET6)
        there = namespaces.open_socket(self.internet, family, socket.SOCK_DGRAM)
        there.bind((INTERNET_ADDRESSES[index], 0))
        here = namespaces.open_socket(self.site, family, socket.SOCK_DGRAM)
        here.bind((SITE_ADDRESSES[index], 0))
        here.connect(there.getsockname()[:2])
        for one in (here, there):
            one.settimeout(1.0)
            one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 23)
        return here, there


@contextmanager
def world(directory: Path) -> Iterator[World]:
    """Both hosts up, with IPv4 and IPv6, the line clear."""
    prefix = f"ln{os.getpid() % 1000}{next(_WORLDS)}-"
    with ExitStack() as stack:
        bridge = f"{prefix}b"
        run("ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        stack.callback(run, "ip", "link", "delete", bridge)
        run("ip", "link", "set", bridge, "up")
        for place, addresses in (("s", SITE_ADDRESSES), ("i", INTERNET_ADDRESSES)):
            name = f"{prefix}{place}"
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "delete", name)
            run("ip", "link", "add", f"{name}p", "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", f"{name}p", "master", bridge, "up")
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
            for address, length in zip(addresses, (24, 64), strict=True):
                run("ip", "-n", name, "address", "add", f"{address}/{length}", "dev", "eth0", "nodad")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        line = Line(
            namespace=None,
            port=f"{prefix}sp",
            bridge=bridge,
            directory=directory,
            addresses=LINE_ADDRESSES,
        )
        stack.callback(line.close)
        yield World(f"{prefix}s", f"{prefix}i", line)
