"""A bridged tunnel heals like a routed one, and a replica that only talks is heard again at once."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.kernel import bridged_lab
from tests.kernel.bridged_lab import HOST, MACS, REPLICA, TUNNEL, Lab
from tests.kernel.processes_lab import until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with bridged_lab.lab(tmp_path_factory.mktemp("bridged")) as lab:
        lab.begin("replica")
        lab.opened()
        yield lab


def test_a_server_that_dies_is_noticed_by_frames_and_the_bridge_comes_back(world: Lab) -> None:
    restarts = world.tenant.tunnel()["restarts"]
    os.kill(world.provider.pid(f"vpn-{TUNNEL}-udp"), signal.SIGKILL)
    assert world.opened(5.0) < 3.0
    assert world.tenant.tunnel()["restarts"] > restarts


def test_a_replica_that_only_talks_is_heard_again_after_a_reconnection(world: Lab) -> None:
    """The server forwards to hosts it has heard through the connection: they are told to it anew."""
    assert world.pings("replica", HOST)
    # Nothing in production may answer, or the server would learn from that.
    for place, address, mac in (("host", REPLICA, "replica"), ("replica", HOST, "host")):
        world.inside(place, "ip", "neighbour", "replace", address, "lladdr", MACS[mac], "dev", "eth0")
    world.inside("host", "sysctl", "-qw", "net.ipv4.icmp_ratemask=8")
    os.kill(world.tenant.pid(f"vpn-{TUNNEL}"), signal.SIGKILL)
    until(lambda: world.tenant.tunnel()["state"] != "connected")
    until(lambda: world.tenant.tunnel()["state"] == "connected")
    with world.popen("host", "hear", "0800", "1.5") as ear:
        assert ear.stdout is not None
        assert json.loads(ear.stdout.readline()) == "ready"
        said = world.guest("replica", "talk", HOST, "1.0")["said"]
        heard = json.loads(ear.stdout.readline())["frames"]
    assert heard > said / 2


def test_a_bridge_outlives_its_agent_and_is_taken_over_by_the_next(world: Lab) -> None:
    """Both agents die. Nobody answers the tenant's frames, nobody guards: the tunnel and the bridge stay."""
    for place in ("tenant", "provider"):
        getattr(world, place).kill()
    command = ("ping", "-n", "-c", "30", "-i", "0.1", "-W", "1", REPLICA)
    received = int(re.findall(r"(\d+) received", world.inside("host", *command, check=False))[0])
    assert received > 20, "one reconnection at most"
    for place in ("provider", "tenant"):
        world.revive(place)
    world.begin("replica")
    world.opened()
    assert world.tenant.tunnel()["last_error"] is None
