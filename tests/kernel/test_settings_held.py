"""Somebody changes kernel settings under an appliance: what rests on them is right again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.fleet.client import AgentClient
from causeway_wire.desired import Failover, Full, FullNetwork, Idle, Partial, Rehearsal, Replica
from causeway_wire.observed import ApplianceState
from tests import real_appliance
from tests.real_appliance import Appliance, run

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(240)]

MODES: dict[str, Failover] = {
    "idle": Idle(),
    "partial": Partial(
        replicas=(
            Replica(
                vm="vm",
                network="net-0",
                addresses=(ip_address("192.168.0.20"), ip_address("2001:db8:0::20")),
            ),
        )
    ),
    "full": Full(networks=(FullNetwork(network="net-0", internet=True),)),
    "rehearsal": Rehearsal(networks=(FullNetwork(network="net-0", internet=True),)),
}
HOSTILE = {
    "net.ipv4.conf.all.arp_filter": "1",
    "net.ipv4.conf.all.arp_ignore": "8",
    "net.ipv4.conf.all.proxy_arp": "1",
    "net.ipv4.conf.all.route_localnet": "1",
    "net.ipv4.conf.eth0.proxy_arp_pvlan": "1",
    "net.ipv4.conf.eth1.arp_filter": "1",
    "net.ipv4.conf.eth1.route_localnet": "1",
    "net.ipv4.icmp_echo_ignore_all": "1",
    "net.ipv6.conf.all.accept_dad": "1",
    "net.ipv6.conf.all.proxy_ndp": "1",
    "net.ipv6.conf.eth1.accept_dad": "1",
    "net.ipv6.conf.eth1.disable_ipv6": "1",
    "net.ipv6.icmp.echo_ignore_all": "1",
}
LONGEST = 60.0
"""Seconds; the agent looks every few seconds, this machine may be slow."""


@pytest_asyncio.fixture(params=MODES)
async def appliance(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Appliance]:
    async with real_appliance.enforcing(tmp_path, MODES[request.param]) as made:
        yield made


async def ready(agent: AgentClient) -> None:
    async with asyncio.timeout(LONGEST):
        while True:
            if (await agent.observed()).state is ApplianceState.READY:
                return
            await asyncio.sleep(0.2)


async def changed_to(appliance: Appliance, values: dict[str, str]) -> None:
    """Return once the kernel has these settings."""
    async with asyncio.timeout(LONGEST):
        while True:
            if settings(appliance) == values:
                return
            await asyncio.sleep(0.2)


def settings(appliance: Appliance) -> dict[str, str]:
    return {name: appliance.inside("sysctl", "-n", name).strip() for name in HOSTILE}


def addresses(appliance: Appliance) -> set[str]:
    """IPv6 addresses of the first VLAN's adapter that the document gives."""
    lines = appliance.inside("ip", "-6", "-o", "addr", "show", "dev", "eth1", "scope", "global")
    return {line.split()[3] for line in lines.splitlines()}


async def test_settings_that_let_in_or_shut_out_are_put_right_in_every_mode(appliance: Appliance) -> None:
    async with appliance.open() as agent:
        await ready(agent)
        before, held = addresses(appliance), settings(appliance)
        assert "2001:db8::5/64" in before
        for name, value in HOSTILE.items():
            appliance.inside("sysctl", "-qw", f"{name}={value}")
        await changed_to(appliance, held)
        # Whoever asks for the management address anew is answered.
        run("ip", "neigh", "flush", "dev", f"{appliance.space}p0")
        assert appliance.knock()
        await ready(agent)
        assert addresses(appliance) == before
