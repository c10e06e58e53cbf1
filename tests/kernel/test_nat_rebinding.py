"""A NAT on the way gives a tunnel another port or address; real OpenVPN goes on over the same connection."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from causeway_wire.observed import Transport
from tests.kernel.processes_lab import DOOR, GATEWAYS, Site, client, door, server, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

UDP = Transport.UDP
GATEWAY = str(GATEWAYS[0])
CLIENT, NEIGHBOUR = "198.51.100.50", "198.51.100.51"

FORGET = """
import socket
from causeway_agent.backends.filter import nfnetlink
# IPCTNL_MSG_CT_DELETE without a tuple empties the table (linux/netfilter/nfnetlink_conntrack.h).
nfnetlink.Nfnetlink().request(1 << 8 | 2, nfnetlink.generic(socket.AF_UNSPEC))
"""
JUNK = """
import os, socket, sys, time
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(3):
            s.sendto(bytes((9 << 3, 0, 0, 0)) + os.urandom(80), (sys.argv[1], int(sys.argv[2])))
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("rebinding")) as made:
        for place in ("s", "g0", "c"):
            made.agent(place)
        made.agents["s"].start(server(made.keys, UDP))
        made.agents["g0"].start(door(made.keys, 0))
        made.inside("c", "ip", "address", "add", f"{NEIGHBOUR}/24", "dev", "pub")
        yield made


@pytest.fixture
def tunnel(running: Site) -> Iterator[Site]:
    rebind(running, CLIENT, 20000)
    running.agents["c"].start(client(running.keys, (0, UDP)))
    until(lambda: running.agents["c"].report()["state"] == "connected", 15)
    yield running
    running.agents["c"].stop(client(running.keys, (0, UDP)))


def rebind(made: Site, address: str, first_port: int, *, protocol: str = "udp", besides: str = "") -> None:
    """From now on the client's packets come from this address and one of these ports; `besides`: of nft."""
    text = (
        "table ip nat\ndelete table ip nat\ntable ip nat {\nchain out {\n"
        "type nat hook postrouting priority srcnat;\n"
        f"{protocol} dport {DOOR} snat to {address}:{first_port}-{first_port + 999} fully-random\n}}\n"
        f"{besides}\n}}\n"
    )
    made.load("c", text)
    made.inside("c", sys.executable, "-c", FORGET)


@pytest.mark.parametrize("address", [CLIENT, NEIGHBOUR], ids=["port", "address and port"])
def test_a_tunnel_goes_on_from_another_port_or_address(tunnel: Site, address: str) -> None:
    restarts = tunnel.agents["c"].report()["restarts"]
    with tunnel.probing(4) as found:
        for first_port in (30000, 40000, 50000):
            time.sleep(0.8)
            rebind(tunnel, address, first_port)
    assert found["gap"] <= 0.5
    assert tunnel.agents["c"].report()["restarts"] == restarts
    assert tunnel.agents["c"].report()["state"] == "connected"


def carried(made: Site) -> int:
    """How many flows the gateway's kernel knows."""
    listed = made.inside("g0", "nft", "list", "set", "inet", "causeway", "known")
    return listed.count("expires")


@pytest.mark.parametrize("place", ["c", "a"], ids=["behind the same address", "next door"])
def test_made_up_data_packets_disturb_nothing_and_are_remembered_nowhere(tunnel: Site, place: str) -> None:
    before, restarts = carried(tunnel), tunnel.agents["c"].report()["restarts"]
    with tunnel.probing(4) as found, tunnel.popen(place, "-c", JUNK, GATEWAY, str(DOOR), "3") as junk:
        junk.wait()
    assert found["gap"] < 0.2
    assert tunnel.agents["c"].report()["restarts"] == restarts
    assert carried(tunnel) <= before


def test_a_tunnel_finds_its_way_amid_made_up_packets(tunnel: Site) -> None:
    restarts = tunnel.agents["c"].report()["restarts"]
    with tunnel.probing(4) as found, tunnel.popen("c", "-c", JUNK, GATEWAY, str(DOOR), "4") as junk:
        for first_port in (30000, 40000):
            time.sleep(1)
            rebind(tunnel, CLIENT, first_port)
        junk.wait()
    assert found["gap"] <= 0.5
    assert tunnel.agents["c"].report()["restarts"] == restarts


def test_the_agent_starts_anew_and_still_knows_where_its_tunnels_are(tunnel: Site) -> None:
    tunnel.agents["g0"].kill()
    tunnel.agent("g0").start(door(tunnel.keys, 0))
    with tunnel.probing(2) as found:
        time.sleep(0.5)
        rebind(tunnel, CLIENT, 30000)
    assert found["gap"] <= 0.5
