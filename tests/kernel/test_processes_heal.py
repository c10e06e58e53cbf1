"""A tunnel heals by itself: client, server, gateway or UDP lost. Bounds are generous, times are printed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from causeway_wire.desired import GatewayTunnel
from causeway_wire.observed import Transport
from tests.kernel.processes_lab import GATEWAYS, SERVER, TUNNEL, Site, client, gateway_proxy, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(90)]

UDP, TCP = Transport.UDP, Transport.TCP
PROVEN = 3.2


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("heal")) as made:
        made.up((0, UDP), (1, UDP), (0, TCP), (1, TCP))
        yield made


@pytest.fixture
def tunnel(running: Site) -> Site:
    """The tunnel up over the first gateway and UDP, long enough to count as working."""
    for index in range(len(GATEWAYS)):
        running.unblock(index)
    agent = running.agents["c"]
    agent.stop(client(running.keys, (0, UDP)))
    agent.start(client(running.keys, (0, UDP), (1, UDP), (0, TCP), (1, TCP)))
    until(lambda: agent.report()["remote"] == f"{GATEWAYS[0]}:6180")
    time.sleep(PROVEN)
    return running


def _gap(tunnel: Site, what: str, act: Callable[[], object], *, seconds: float = 4.0) -> float:
    with tunnel.probing(seconds) as found:
        act()
    sys.stdout.write(f"\n{what}: {found['gap']:.3f} s without traffic\n")
    return found["gap"]


def test_a_killed_client_is_back_at_once(tunnel: Site) -> None:
    agent = tunnel.agents["c"]
    assert _gap(tunnel, "client killed", lambda: os.kill(agent.pid(f"vpn-{TUNNEL}"), signal.SIGKILL)) < 1.0
    assert agent.report()["error"] == "process ended by SIGKILL"


def test_a_tunnel_that_dies_as_soon_as_it_is_up_comes_up_ever_more_slowly(tunnel: Site) -> None:
    """As behind a box that resets each connection: its gateway would refuse its whole site for that."""
    agent = tunnel.agents["c"]
    known, end = agent.report()["restarts"], time.monotonic() + 6.0
    while time.monotonic() < end:
        if agent.report()["state"] == "connected":
            os.kill(agent.pid(f"vpn-{TUNNEL}"), signal.SIGKILL)
            until(lambda: agent.report()["state"] != "connected")
        time.sleep(0.01)
    deaths = agent.report()["restarts"] - known
    sys.stdout.write(f"\ndied {deaths} times in 6 s\n")
    assert 3 < deaths < 12
    until(lambda: agent.report()["state"] == "connected")


def test_a_killed_server_is_back_and_the_client_notices(tunnel: Site) -> None:
    agent = tunnel.agents["s"]
    assert (
        _gap(tunnel, "server killed", lambda: os.kill(agent.pid(f"vpn-{TUNNEL}-udp"), signal.SIGKILL)) < 2.0
    )
    assert tunnel.agents["c"].report()["remote"] == f"{GATEWAYS[0]}:6180"


def test_a_lost_gateway_is_replaced_by_the_next(tunnel: Site) -> None:
    assert _gap(tunnel, "gateway lost", lambda: tunnel.block(0), seconds=5) < 3.0
    report = tunnel.agents["c"].report()
    assert (report["remote"], report["transport"]) == (f"{GATEWAYS[1]}:6180", UDP)


def test_blocked_udp_is_replaced_by_tcp_and_the_provider_follows(tunnel: Site) -> None:
    def block() -> None:
        for index in range(len(GATEWAYS)):
            tunnel.block(index, "udp")

    assert _gap(tunnel, "UDP blocked", block, seconds=7) < 6.0
    assert tunnel.agents["c"].report()["transport"] == TCP
    assert tunnel.agents["s"].report()["transport"] == TCP


def test_a_change_of_the_gateway_s_tcp_door_cuts_no_tunnel(running: Site) -> None:
    agent = running.agents["c"]
    running.unblock(0)
    agent.start(client(running.keys, (0, TCP)))
    until(lambda: agent.report()["transport"] == TCP)
    time.sleep(0.5)
    gateway = running.agents["g0"]
    before = gateway.pid("gateway-tls")
    more = GatewayTunnel(
        tenant="acme", tunnel="acme-db", server=SERVER, port=1197, client_name="acme-db.client"
    )
    changed = gateway_proxy(running.keys, 0, more=(more,))
    gap = _gap(running, "TCP door replaced", lambda: gateway.start(changed), seconds=2)
    assert gap < 0.25
    assert gateway.pid("gateway-tls") != before
    os.kill(before, 0)  # still there, finishing its connection
    agent.stop(client(running.keys, (0, TCP)))
    until(lambda: not Path(f"/proc/{before}/exe").exists())
