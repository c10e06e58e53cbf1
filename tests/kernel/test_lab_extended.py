"""What holds while VMs are failed over: two networks of a tenant, and another tenant with equal prefixes."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs
from causeway_lab.service import drill
from causeway_lab.world import capture
from causeway_lab.world.topology import INTERNET_ADDRESSES, original_of, replica_of

pytestmark = pytest.mark.kernel

DB, APP = VmRef("acme", "db1"), VmRef("acme", "app2")
OTHER = VmRef("globex", "db1")
ALL = (DB, APP, OTHER)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def extended(lab: Lab) -> AsyncIterator[Lab]:
    """The lab with three VMs failed over at once."""
    try:
        await drill.fail_over(lab, ALL)
        yield lab
    finally:
        await drill.undo(lab, [ref for ref in ALL if ref in lab.failed_over()])
        for ref in ALL:
            await lab.machines.power_on(original_of(ref.tenant, ref.vm))


async def test_three_failovers_at_once_reach_their_own_vms_only(extended: Lab) -> None:
    for ref in ALL:
        neighbour = extended.neighbour(ref)
        assert neighbour is not None
        await proofs.reachable(
            neighbour,
            extended.vm(ref).addresses,
            host=replica_of(ref.tenant, ref.vm),
            client=proofs.addresses_of(extended, neighbour.name),
        )
        await proofs.reachable(
            extended.replica(ref),
            proofs.addresses_of(extended, neighbour.name),
            host=neighbour.name,
            client=extended.vm(ref).addresses,
        )
    for address in extended.vm(DB).addresses:
        await proofs.transparent(extended.original(VmRef("acme", "web1")), address, speed=extended.pace)


async def test_only_the_tunnel_is_seen_at_the_gateways(extended: Lab) -> None:
    await proofs.encrypted(extended, extended.original(VmRef("acme", "web1")), extended.vm(DB).addresses)


async def test_the_replica_s_internet_is_the_production_gateway(extended: Lab) -> None:
    await proofs.leaves_through_production(
        extended.replica(DB), proofs.router_addresses(extended, "acme"), INTERNET_ADDRESSES
    )


async def test_a_replica_that_is_not_failed_over_stays_invisible(extended: Lab) -> None:
    web = extended.original(VmRef("acme", "web1"))
    old, addresses = proofs.old_replica(extended, "acme")
    await proofs.silent(web, addresses)
    await proofs.silent(old, proofs.addresses_of(extended, web.name))


async def test_networks_of_one_appliance_meet_only_in_production(extended: Lab) -> None:
    """From network 1 to a replica of network 2 the way is the production router and network 2's tunnel."""
    web = extended.original(VmRef("acme", "web1"))
    async with capture.Capture("acme-router", "eth1") as seen:
        page = await web.http(extended.vm(APP).addresses[0])
        await asyncio.sleep(0.05)
    assert page["host"] == replica_of("acme", "app2")
    assert any(80 in flow.ports for flow in seen.result.flows)


async def test_management_and_spoofing_are_closed_to_replicas(extended: Lab) -> None:
    intruder, web = extended.replica(OTHER), VmRef("globex", "web1")
    await proofs.closed(intruder, proofs.forbidden_doors(extended, "globex"))
    for forged in ("10.10.0.2", "192.168.20.11", "203.0.113.99"):
        await proofs.unspoofable(
            intruder, extended.original(web), extended.vm(web).addresses[0], ipaddress.ip_address(forged)
        )
    await proofs.unspoofable(
        intruder,
        extended.original(web),
        extended.vm(web).addresses[1],
        ipaddress.ip_address("2001:db8:20::11"),
    )
