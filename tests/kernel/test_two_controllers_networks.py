"""Two networks of a tenant that two controllers extend, by an appliance in each: real packets.

The second network's IPv6 prefix is a /80.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab.assembly import outage
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs, proofs_full
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world.topology import original_of, replica_of

pytestmark = pytest.mark.kernel

TENANT = "acme"
MOVED = {"net1": VmRef(TENANT, "db1"), "net2": VmRef(TENANT, "files2")}
STAYED = {"net1": VmRef(TENANT, "web1"), "net2": VmRef(TENANT, "app2")}
SECONDS = 900
"""Generous: CI is slow."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sites(lab: Lab) -> AsyncIterator[TwoSites]:
    """Joined, with every appliance that the provider and the tenant's two networks need."""
    with tempfile.TemporaryDirectory(prefix="cw-") as place:
        async with TwoSites(lab, TENANT, Path(place)) as made:
            await made.controllers.join()
            await made.propose()
            await asyncio.gather(
                made.controllers.deploy_provider(),
                *(made.controllers.deploy_tenant(network) for network in MOVED),
            )
            yield made
        await outage.restore_vms(lab, TENANT)


async def fail_over(lab: Lab, sites: TwoSites, network: str) -> None:
    await lab.machines.power_off(original_of(TENANT, MOVED[network].vm))
    await sites.tenant.ask("failover", "partial", TENANT, MOVED[network].vm, "--host", network)


async def undo(lab: Lab, sites: TwoSites, network: str) -> None:
    await sites.tenant.ask("failover", "undo", TENANT, MOVED[network].vm, "--host", network)
    await lab.machines.power_on(original_of(TENANT, MOVED[network].vm))


async def extended(lab: Lab, network: str, *, sources: tuple[VmRef, ...] = ()) -> None:
    """The failed-over VM and those that stayed, of either network, reach each other by both IP versions."""
    moved = MOVED[network]
    addresses = lab.vm(moved).addresses
    assert {one.version for one in addresses} == {4, 6}
    for source in sources or (STAYED[network],):
        there = lab.original(source)
        here = proofs.addresses_of(lab, there.name)
        await proofs.reachable(there, addresses, host=replica_of(TENANT, moved.vm), client=here)
        await proofs.reachable(lab.replica(moved), here, host=there.name, client=addresses)


async def shown(sites: TwoSites, network: str) -> str:
    told = await sites.tenant.ask_json("appliance", "show", TENANT, network, ok=(0, 1))
    return str(told.get("mode"))


@pytest.mark.timeout(SECONDS)
async def test_two_networks_fail_over_at_once_widen_and_come_back(lab: Lab, sites: TwoSites) -> None:
    prefixes = lab.tenant(TENANT).networks["net2"].prefixes
    assert [one.prefixlen for one in prefixes if one.version == 6] == [80]
    await asyncio.gather(*(fail_over(lab, sites, network) for network in MOVED))
    both = tuple(STAYED.values())
    for network in MOVED:
        await extended(lab, network, sources=both)
    await undo(lab, sites, "net1")
    await proofs.returned(lab, MOVED["net1"], lab.original(STAYED["net1"]))
    await extended(lab, "net2")
    await fail_over(lab, sites, "net1")
    await extended(lab, "net1")
    await widened(lab, sites)
    await sites.provider.ask("failover", "failback", TENANT, "--synchronised", "--host", SECOND_HOST)
    await outage.restore_vms(lab, TENANT)
    for network, moved in MOVED.items():
        await proofs.returned(lab, moved, lab.original(STAYED[network]))
    for controller in (sites.provider, sites.tenant):
        said = await controller.ask("status", ok=(0, 1))
        assert "Nothing is wrong" in said, said


async def widened(lab: Lab, sites: TwoSites) -> None:
    """Out of both halves of partial failovers, with the site there: it ends what it answers for by itself."""
    for stayed in STAYED.values():
        await lab.machines.power_off(original_of(TENANT, stayed.vm))
    await sites.provider.ask("failover", "escalate", TENANT, "--host", SECOND_HOST)
    rules = [one for one in lab.tenant(TENANT).publications if one.id.startswith("web-")]
    await proofs_full.published(lab, rules, host=replica_of(TENANT, STAYED["net1"].vm))
    for network in MOVED:
        async with asyncio.timeout(60):
            while await shown(sites, network) != "idle":  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.5)
