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
from causeway_lab.demo import proofs
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world.topology import original_of
from tests.kernel.two_controllers import both_ways, widened

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


@pytest.mark.timeout(SECONDS)
async def test_two_networks_fail_over_at_once_widen_and_come_back(lab: Lab, sites: TwoSites) -> None:
    prefixes = lab.tenant(TENANT).networks["net2"].prefixes
    assert [one.prefixlen for one in prefixes if one.version == 6] == [80]
    await asyncio.gather(*(fail_over(lab, sites, network) for network in MOVED))
    for moved in MOVED.values():
        for stayed in STAYED.values():
            await both_ways(lab, moved, stayed)
    await undo(lab, sites, "net1")
    await proofs.returned(lab, MOVED["net1"], lab.original(STAYED["net1"]))
    await both_ways(lab, MOVED["net2"], STAYED["net2"])
    await fail_over(lab, sites, "net1")
    await both_ways(lab, MOVED["net1"], STAYED["net1"])
    await widened(lab, sites, stayed=STAYED.values(), web=STAYED["net1"])
    await sites.provider.ask("failover", "failback", TENANT, "--synchronised", "--host", SECOND_HOST)
    await outage.restore_vms(lab, TENANT)
    for network, moved in MOVED.items():
        await proofs.returned(lab, moved, lab.original(STAYED[network]))
    for controller in (sites.provider, sites.tenant):
        said = await controller.ask("status", ok=(0, 1))
        assert "Nothing is wrong" in said, said
