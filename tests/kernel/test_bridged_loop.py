"""A second layer 2 path between the segments: the guard closes the bridge before a broadcast can circle."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from causeway_agent.backends.segment.loop_guard import LOOP
from causeway_agent.plan.steer import loop_guard
from tests.kernel import bridged_lab
from tests.kernel.bridged_lab import Lab
from tests.kernel.processes_lab import until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

BROADCAST, FOREIGN = "ff:ff:ff:ff:ff:ff", "88b6"


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with bridged_lab.lab(tmp_path_factory.mktemp("bridged")) as lab:
        yield lab


def storm(lab: Lab, seconds: float = 1.2) -> int:
    """Frames that production receives after one broadcast."""
    before = lab.received("host")
    lab.guest("original", "say", FOREIGN, "1", BROADCAST)
    time.sleep(seconds)
    return lab.received("host") - before


def test_a_loop_is_blocked_within_a_probe_and_opened_again_when_it_is_gone(world: Lab) -> None:
    world.begin("replica")
    began = time.monotonic()
    world.opened()
    assert time.monotonic() - began < 5
    assert world.tenant.tunnel()["last_error"] is None
    with world.second_path():
        began = time.monotonic()
        until(lambda: LOOP in {a.tunnel()["last_error"] for a in (world.provider, world.tenant)}, 3.0)
        assert time.monotonic() - began < loop_guard.INTERVAL + 0.5
        assert storm(world) < 50
    time.sleep(1.0)
    assert not world.pings("host", bridged_lab.REPLICA, "-c", "1"), "it stays closed for a while"
    world.opened(loop_guard.HOLD + 3)
    assert world.tenant.tunnel()["last_error"] != LOOP


def test_a_bridge_over_a_loop_never_opens(world: Lab) -> None:
    world.inside("replica", "ip", "link", "set", "eth0", "down")
    with world.second_path():
        world.begin("replica")
        until(lambda: world.tenant.tunnel()["state"] == "connected")
        until(lambda: LOOP in {a.tunnel()["last_error"] for a in (world.provider, world.tenant)}, 4.0)
        assert storm(world) < 50


def test_without_guard_and_limits_the_same_broadcast_is_a_storm(world: Lab) -> None:
    world.begin("replica")
    world.opened()
    for place in ("p", "t"):
        world.inside(place, "nft", "delete", "table", "bridge", "causeway")
    with world.second_path():
        assert storm(world, 1.0) > 200
