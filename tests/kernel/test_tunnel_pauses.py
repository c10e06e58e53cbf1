"""A tunnel over a line that pauses, jitters, loses datagrams or packets' order: nothing is given up for that.

And one that really is broken is left, told, and returned to when it works again, without a break.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Iterator

import pytest

from causeway_lab.world.line.conditions import Blocked, Conditions, Direction
from causeway_lab.world.line.line import Line
from tests.kernel import lines
from tests.kernel.lines import TCP, UDP, WAYS
from tests.kernel.lost_datagrams import losing
from tests.kernel.processes_lab import TUNNEL, Site, client, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Line]]:
    with site(tmp_path_factory.mktemp("pauses")) as made, lines.before(made) as line:
        made.up(*WAYS)
        yield made, line


@pytest.fixture
def tunnel(running: tuple[Site, Line]) -> Iterator[tuple[Site, Line]]:
    with lines.over_udp(*running):
        yield running


@pytest.mark.parametrize("length", [0.5, 0.8, 0.95])
def test_pauses_of_the_line_lose_nothing_and_restart_nothing(
    tunnel: tuple[Site, Line], length: float
) -> None:
    made, line = tunnel
    before = made.agents["c"].report()["restarts"]
    line.change(Conditions().changed(pause_every=2.5, pause_for=length))
    with made.probing(7.0) as found:
        pass
    line.change(Conditions())
    time.sleep(1.0)
    report = made.agents["c"].report()
    assert found["gap"] > length / 2, "the line did pause"
    assert found["lost"] == 0
    assert (report["restarts"], report["state"], report["transport"]) == (before, "connected", UDP)


def test_pauses_of_the_server_restart_nothing(tunnel: tuple[Site, Line]) -> None:
    """Some end while another way is tried: its handshake must not overtake the answers that were held."""
    made, _ = tunnel
    before = made.agents["c"].report()["restarts"]
    server = made.agents["s"].pid(f"vpn-{TUNNEL}-udp")
    with made.probing(5.5) as found:
        for length in (0.5, 0.8, 0.95):
            os.kill(server, signal.SIGSTOP)
            time.sleep(length)
            os.kill(server, signal.SIGCONT)
            time.sleep(0.7)
    assert found["lost"] == 0
    assert made.agents["c"].report()["restarts"] == before


def test_jitter_of_a_quarter_second_restarts_nothing(tunnel: tuple[Site, Line]) -> None:
    made, line = tunnel
    before = made.agents["c"].report()["restarts"]
    line.change(Conditions().changed(delay=0.125, jitter=0.125))
    with made.probing(6.0) as found:
        pass
    assert found["lost"] == 0
    assert made.agents["c"].report()["restarts"] == before


@pytest.mark.parametrize("depth", [90, 500])
def test_packets_that_are_overtaken_arrive(tunnel: tuple[Site, Line], depth: int) -> None:
    made, line = tunnel
    line.change(Conditions().changed(reorder_every=50, reorder_depth=depth))
    with made.probing(4000, "flood") as found:
        pass
    # The line gives up waiting for others when too few come: the last ones are late, not lost.
    assert found["received"] == found["sent"] == 4000
    log = (made.directory / "s" / f"vpn-{TUNNEL}-udp" / "output.log").read_text()
    assert "bad packet ID" not in log


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_lost_datagram_of_the_handshake_does_not_cost_udp(
    running: tuple[Site, Line], direction: str, nth: int
) -> None:
    made, line = running
    line.change(Conditions())
    agent = made.agents["c"]
    agent.stop(client(made.keys, *WAYS))
    place, port = ("g0", "dport") if direction == "up" else ("c", "sport")
    load = functools.partial(made.load, place)
    with losing(nth, protocol="ip", direction=port, device="pub", load=load):
        agent.start(client(made.keys, *WAYS))
        until(lambda: agent.report()["state"] == "connected", 10)
        assert agent.report()["transport"] == UDP


def test_a_stopped_server_leaves_a_tunnel_over_tcp_that_says_why_and_returns(
    tunnel: tuple[Site, Line],
) -> None:
    made, _ = tunnel
    agent = made.agents["c"]
    assert agent.report()["impairment"] is None
    server = made.agents["s"].pid(f"vpn-{TUNNEL}-udp")
    os.kill(server, signal.SIGSTOP)
    try:
        until(lambda: agent.report()["transport"] == TCP, 20)
        until(lambda: "answers over UDP, but no VPN server behind it" in agent.report()["impairment"], 10)
        with made.probing(6.0) as found:  # looked for meanwhile, and nothing is interrupted
            pass
        assert found["lost"] == 0
        assert agent.report()["transport"] == TCP
    finally:
        os.kill(server, signal.SIGCONT)
    with made.probing(20.0) as found:
        until(lambda: agent.report()["transport"] == UDP, 20)
    assert found["lost"] == 0
    assert agent.report()["impairment"] is None
    until(lambda: made.agents["s"].report()["transport"] == UDP)


def test_a_blocked_udp_is_told_and_its_return_loses_nothing(tunnel: tuple[Site, Line]) -> None:
    made, line = tunnel
    agent = made.agents["c"]
    line.change(Conditions().changed(blocked=(Blocked.UDP,)))
    until(lambda: agent.report()["transport"] == TCP, 20)
    until(lambda: "does not answer since" in agent.report()["impairment"], 10)
    with made.probing(12.0) as found:
        line.change(Conditions())
        until(lambda: agent.report()["transport"] == UDP, 12)
    assert found["lost"] == 0
    until(lambda: made.agents["s"].report()["transport"] == UDP)


@pytest.mark.parametrize("direction", Direction)
def test_one_direction_lost_is_no_tunnel(tunnel: tuple[Site, Line], direction: Direction) -> None:
    """Whatever still arrives from the far end: the tunnel is not `connected` for ever, and heals."""
    made, line = tunnel
    agent = made.agents["c"]
    line.change(Conditions().changed(direction, loss=1.0))
    until(lambda: agent.report()["state"] != "connected", 10)
    line.change(Conditions())
    until(lambda: agent.report()["state"] == "connected", 20)
