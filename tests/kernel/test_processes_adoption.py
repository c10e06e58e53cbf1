"""The data plane outlives the agent: processes are found again and watched, if they are the same."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_controller.trust import pki
from causeway_wire.observed import Transport
from tests.kernel.processes_lab import (
    CLIENT_NAME,
    TUNNEL,
    Site,
    client,
    door,
    gateway_proxy,
    server,
    site,
    until,
    wrapper,
)

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(90)]

UDP, TCP = Transport.UDP, Transport.TCP
CLIENT, SERVER = f"vpn-{TUNNEL}", f"vpn-{TUNNEL}-udp"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        made.up((0, UDP), (1, UDP), (0, TCP), (1, TCP))
        yield made


def test_processes_survive_the_agent_and_are_adopted_without_a_gap(running: Site) -> None:
    pids = {
        place: {path.name: agent.pid(path.name) for path in (agent.directory / "records").iterdir()}
        for place, agent in running.agents.items()
    }
    with running.probing(4) as found:
        for agent in running.agents.values():
            agent.kill()
        for place, known in pids.items():
            assert running.agent(place).adopted == sorted(known)
    assert found["gap"] < 0.5
    assert {
        place: {name: agent.pid(name) for name in pids[place]} for place, agent in running.agents.items()
    } == pids
    for place in ("c", "s"):
        until(lambda place=place: running.agents[place].report()["state"] == "connected")  # type: ignore[misc]
    # A start of the same specification leaves the process alone.
    for transport in Transport:
        assert running.agents["s"].start(server(running.keys, transport)) == {}
    assert running.agents["s"].pid(SERVER) == pids["s"][SERVER]


def test_an_adopted_process_is_restarted_when_it_dies(running: Site) -> None:
    for place in ("c", "s"):
        running.agents[place].kill()
        running.agent(place)
    until(lambda: running.agents["c"].report()["state"] == "connected")
    time.sleep(0.5)
    for place, name in (("c", CLIENT), ("s", SERVER)):
        agent = running.agents[place]
        with running.probing(3) as found:
            os.kill(agent.pid(name), signal.SIGKILL)
        assert found["gap"] < 2.0
        assert agent.report()["state"] == "connected"


def test_what_died_or_changed_meanwhile_is_not_adopted(running: Site) -> None:
    tenant, provider = running.agents["c"], running.agents["s"]
    tenant.kill()
    provider.kill()
    before, gone = tenant.pid(CLIENT), provider.pid(SERVER)
    os.kill(gone, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{gone}/exe").exists())
    running.keys.made.pop(CLIENT_NAME)
    running.keys.issue(running.keys.vpn, CLIENT_NAME, pki.Usage.CLIENT)  # a new key under the same name
    assert CLIENT not in running.agent("c").adopted
    assert running.agent("s").adopted == [f"vpn-{TUNNEL}-tcp"]
    assert not Path(f"/proc/{before}/exe").exists()
    assert running.agents["s"].start(server(running.keys, UDP)) == {}
    assert running.agents["c"].start(wrapper(running.keys)) == {}
    assert running.agents["c"].start(client(running.keys, (0, UDP))) == {}
    until(lambda: running.agents["c"].report()["state"] == "connected")


def test_a_door_that_died_with_its_agent_opens_again_and_flows_go_on_meanwhile(running: Site) -> None:
    with running.probing(3) as found:
        running.agents["g0"].kill()
        time.sleep(0.5)
        gateway = running.agent("g0")
        assert gateway.start(door(running.keys, 0)) == {}
    assert found["gap"] < 0.2
    with running.probing(3) as found:
        os.kill(running.agents["c"].pid(CLIENT), signal.SIGKILL)
    assert found["gap"] < 1.0
    assert gateway.admissions()[0] == 1


def test_a_proxy_that_cannot_start_leaves_the_running_one_alone(running: Site) -> None:
    gateway = running.agents["g0"]
    before = gateway.pid("gateway-tls")
    good = gateway_proxy(running.keys, 0)
    broken = type(good)(name=good.name, configuration=good.configuration, files=(), key=None)
    assert "error" in gateway.start(broken)
    assert gateway.pid("gateway-tls") == before
    assert Path(f"/proc/{before}/exe").exists()
    assert gateway.start(good) == {}
    assert gateway.pid("gateway-tls") == before
