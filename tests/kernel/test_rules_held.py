"""Somebody meddles with policy routing under an appliance: what is intended stands again, or it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.fleet.client import AgentClient
from causeway_wire.desired import Failover, Full, FullNetwork, Idle, Partial, Replica
from tests import real_appliance
from tests.real_appliance import Appliance

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(240)]

REPLICA = Replica(
    vm="vm", network="net-0", addresses=(ip_address("192.168.0.20"), ip_address("2001:db8:0::20"))
)
MODES: dict[str, Failover] = {
    "idle": Idle(),
    "partial": Partial(replicas=(REPLICA,)),
    "full": Full(networks=(FullNetwork(network="net-0", internet=True),)),
}
KERNELS_OWN = [
    "-4 rule del pref 0",
    "-4 rule del pref 32766",
    "-4 rule del pref 32767",
    "-6 rule del pref 0",
    "-6 rule del pref 32766",
]
LONGEST = 20.0
"""Seconds; the kernel tells of a change at once, this machine may be slow."""


@pytest_asyncio.fixture(params=MODES)
async def appliance(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Appliance]:
    async with real_appliance.enforcing(tmp_path, MODES[request.param]) as made:
        yield made


def rules(appliance: Appliance) -> list[str]:
    """What packets are asked, in the order they are asked it."""
    families = ("-4", "-6")
    lines = [line for family in families for line in appliance.inside("ip", family, "rule").splitlines()]
    return [line.partition(" proto ")[0].rstrip() for line in lines]


async def until_rules(appliance: Appliance, wanted: list[str]) -> None:
    async with asyncio.timeout(LONGEST):
        while True:
            if sorted(rules(appliance)) == sorted(wanted):
                return
            await asyncio.sleep(0.1)


async def told(agent: AgentClient, *foreign: str) -> None:
    async with asyncio.timeout(LONGEST):
        while True:
            if (await agent.observed()).foreign == foreign:
                return
            await asyncio.sleep(0.1)


async def test_the_kernels_own_rules_are_made_again(appliance: Appliance) -> None:
    before = rules(appliance)
    for change in KERNELS_OWN:
        appliance.inside("ip", *change.split())
        await until_rules(appliance, before)
    assert appliance.knock()


async def test_a_rule_that_only_looks_like_the_right_one_takes_no_place(appliance: Appliance) -> None:
    before = rules(appliance)
    narrow = "from 198.51.100.0/24 lookup local"
    appliance.inside("ip", "rule", "add", "pref", "0", *narrow.split())
    appliance.inside("ip", "rule", "del", "pref", "0", "from", "all", "lookup", "local")
    await until_rules(appliance, [*before, f"0:\t{narrow}"])
    async with appliance.open() as agent:
        await told(agent, "IPv4 rule 0")
    appliance.inside("ip", "rule", "del", "pref", "0", *narrow.split())


async def test_our_rules_narrowed_under_our_number_are_seen(appliance: Appliance) -> None:
    before = rules(appliance)
    ours = [line for line in before if line.startswith("1000:") and "iif eth1" in line]
    for line in ours[:1]:
        rule = line.replace(":", " ").replace("[detached]", "").split()
        appliance.inside("ip", "rule", "add", "pref", *rule, "fwmark", "7", "protocol", "202")
        appliance.inside("ip", "rule", "del", "pref", *rule, "fwmark", "0")
        await until_rules(appliance, [*before, line.replace(" iif", " fwmark 0x7 iif")])


async def test_what_others_add_is_told_and_left(appliance: Appliance) -> None:
    async with appliance.open() as agent:
        await told(agent)
        appliance.inside("ip", "rule", "add", "pref", "500", "from", "10.9.0.0/16", "lookup", "100")
        appliance.inside("ip", "-6", "rule", "add", "pref", "501", "blackhole")
        appliance.inside(
            "nft",
            "add table ip somebody; add chain ip somebody no { type filter hook forward priority 0; }",
        )
        await told(agent, "IPv4 rule 500", "IPv6 rule 501", "nftables table ip somebody")
        assert "500:\tfrom 10.9.0.0/16 lookup 100" in rules(appliance)
        appliance.inside("ip", "rule", "del", "pref", "500")
        appliance.inside("ip", "-6", "rule", "del", "pref", "501")
        appliance.inside("nft", "delete table ip somebody")
        await told(agent)
