"""A MAC address lives on one side of a bridged extension, and changes it with a failover and with its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel import bridged_lab
from tests.kernel.bridged_lab import HOST, HOST6, MACS, OTHER, OTHER6, Lab

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(90)]

BROADCAST, FOREIGN = "ff:ff:ff:ff:ff:ff", "88b6"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """What the switches of the segments believe is left out: they learn nobody here."""
    with bridged_lab.lab(tmp_path_factory.mktemp("bridged")) as lab:
        lab.begin("replica")
        lab.opened()
        with lab.flooded("lan"), lab.flooded("vlan"):
            yield lab


def at_home(lab: Lab, name: str) -> None:
    """Production hears the machine that has this MAC address there."""
    found = lab.heard(
        "replica", FOREIGN, lambda: lab.guest("original", "say", FOREIGN, "1", BROADCAST, MACS[name])
    )
    assert found["frames"] == 1


def dropped(lab: Lab, name: str) -> int:
    """Of three frames that the machine at the provider says, how many its appliance dropped unheard."""
    before = lab.provider.drops("drop_loop")
    lab.guest(name, "say", FOREIGN, "3", BROADCAST)
    return lab.provider.drops("drop_loop") - before


def test_a_machine_that_is_failed_over_is_heard_at_once_and_at_home_again_after_it(world: Lab) -> None:
    at_home(world, "other")
    assert dropped(world, "other") == 3, "its replica runs already, and production still has the original"
    world.begin("replica", "other")
    said = world.heard("host", FOREIGN, lambda: world.guest("other", "say", FOREIGN, "3", BROADCAST))
    assert (said["frames"], said["from"]) == (3, [MACS["other"]])
    to_it = world.heard("other", FOREIGN, lambda: world.guest("host", "say", FOREIGN, "3", MACS["other"]))
    assert to_it["frames"] == 3
    for source, target in (("host", OTHER), ("other", HOST), ("host", OTHER6), ("other", HOST6)):
        assert world.pings(source, target)
    world.begin("replica")
    at_home(world, "other")
    assert dropped(world, "other") == 3
    back = world.heard(
        "original", FOREIGN, lambda: world.guest("replica", "say", FOREIGN, "3", MACS["other"])
    )
    assert back["frames"] == 3


def test_who_was_heard_is_known_to_the_next_agent(world: Lab) -> None:
    at_home(world, "original")
    world.provider.kill()
    world.revive("provider")
    world.begin("replica")
    before = world.provider.drops("drop_loop")
    world.guest("other", "say", FOREIGN, "3", BROADCAST, MACS["original"])
    assert world.provider.drops("drop_loop") == before + 3


def test_a_filter_that_somebody_took_away_hears_everybody_anew(world: Lab) -> None:
    world.inside("p", "nft", "delete", "table", "bridge", "causeway")
    world.begin("replica")
    world.opened()
    at_home(world, "original")
    before = world.provider.drops("drop_loop")
    world.guest("other", "say", FOREIGN, "3", BROADCAST, MACS["original"])
    assert world.provider.drops("drop_loop") == before + 3
    found = world.heard(
        "original", FOREIGN, lambda: world.guest("replica", "say", FOREIGN, "3", MACS["original"])
    )
    assert found["frames"] == 3
