"""A guest that speaks under thousands of MAC addresses into a bridged extension: nobody else loses by it.

Neither the bridges nor the OpenVPN server remember more than they have room for, and who was heard before
keeps what it had. Each enemy has a lab of its own: what it leaves behind stays for an hour.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from causeway_agent.plan.filter.bridge import NEWCOMERS_A_SECOND, NEWCOMERS_BURST
from tests.kernel import bridged_lab
from tests.kernel.bridged_lab import HOST, MACS, OTHER, REPLICA, Lab

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(90)]

BROADCAST, NOBODY = "ff:ff:ff:ff:ff:ff", "02:ff:00:00:00:01"
FOREIGN = "88b6"
POLITE, CROWD = 3000, 20_000


def learned(lab: Lab, appliance: str) -> int:
    """Machines that the bridge of an appliance has heard on its ports."""
    listed = json.loads(lab.inside(appliance[0], "bridge", "-j", "fdb", "show"))
    return sum("permanent" not in one.get("state", "") for one in listed)


@pytest.mark.parametrize(
    ("enemy", "appliance", "to"),
    [("other", "provider", NOBODY), ("replica", "provider", BROADCAST), ("original", "tenant", NOBODY)],
)
def test_a_bridge_remembers_a_segment_and_no_crowd(
    tmp_path: Path, enemy: str, appliance: str, to: str
) -> None:
    with bridged_lab.lab(tmp_path) as lab:
        lab.begin("replica")
        lab.opened()
        lab.guest(enemy, "crowd", FOREIGN, str(POLITE), to)
        assert learned(lab, appliance) >= POLITE, "a large segment's machines are"
        for _ in range(2):
            lab.guest(enemy, "crowd", FOREIGN, str(CROWD), to)
        assert learned(lab, appliance) < NEWCOMERS_BURST + 60 * NEWCOMERS_A_SECOND
        assert getattr(lab, appliance).drops("drop_crowd") > CROWD
        assert lab.pings("host", REPLICA)
        assert lab.pings("replica", HOST)


def test_who_comes_after_a_crowd_reaches_a_replica(tmp_path: Path) -> None:
    """An OpenVPN server takes no frame of a machine that it has no place for."""
    with bridged_lab.lab(tmp_path) as lab:
        lab.begin("replica")
        lab.opened()
        for _ in range(CROWD // POLITE):  # as many as a tap's queue does not drop
            lab.guest("host", "crowd", FOREIGN, str(POLITE), MACS["replica"])
        assert learned(lab, "provider") > 2 * POLITE, "the crowd got there"
        lab.inside("original", "ip", "address", "add", f"{OTHER}/24", "dev", "eth0")
        assert lab.pings("original", REPLICA)


def test_a_crowd_s_broadcasts_leave_the_others_theirs(tmp_path: Path) -> None:
    with bridged_lab.lab(tmp_path) as lab:
        lab.begin("replica")
        lab.opened()

        def flood() -> None:
            with lab.popen("original", "crowd", FOREIGN, "60000", BROADCAST):
                for _ in range(5):
                    lab.guest("host", "say", "0842", "1", BROADCAST)

        assert lab.heard("replica", "0842", flood)["frames"] == 5
        assert lab.tenant.drops("drop_storm") + lab.tenant.drops("drop_crowd") > 10_000
