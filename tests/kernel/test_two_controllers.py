"""A partial failover by two real controllers, the provider's and the tenant's, which leads: real packets."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs
from causeway_lab.service.two_sites import PROVIDER, TwoSites
from causeway_lab.world.inward import Inward
from causeway_lab.world.topology import INTERNET_HOST, original_of, replica_of

pytestmark = pytest.mark.kernel

DB, WEB = VmRef("acme", "db1"), VmRef("acme", "web1")
NETWORK = "net1"
SECONDS = 400
"""Generous: CI is slow."""


@pytest.fixture(scope="module")
def inward(lab: Lab) -> Iterator[Inward]:
    """What was opened into the site from outside since before its controller was there."""
    with Inward(lab.topology.machines[lab.topology.routers["acme"]]) as counting:
        yield counting


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sites(lab: Lab, inward: Inward) -> AsyncIterator[TwoSites]:
    """Both, joined, with the appliances of one network."""
    with tempfile.TemporaryDirectory(prefix="cw-") as place:
        async with TwoSites(lab, "acme", Path(place)) as made:
            await made.join()
            await made.propose()
            await made.deploy_provider()
            await made.deploy_tenant(NETWORK)
            yield made
        await lab.machines.power_on(original_of("acme", DB.vm))


@pytest.mark.timeout(SECONDS)
async def test_a_vm_fails_over_by_two_linked_runs_and_back(lab: Lab, sites: TwoSites, inward: Inward) -> None:
    web, addresses = lab.original(WEB), lab.vm(DB).addresses
    assert {one.version for one in addresses} == {4, 6}
    await lab.machines.power_off(original_of("acme", DB.vm))
    await proofs.silent(web, addresses)
    await sites.tenant.ask("failover", "partial", "acme", DB.vm, "--host", NETWORK)
    here = proofs.addresses_of(lab, web.name)
    await proofs.reachable(web, addresses, host=replica_of("acme", DB.vm), client=here)
    replica = lab.replica(DB)
    await proofs.reachable(replica, proofs.addresses_of(lab, web.name), host=web.name, client=addresses)

    theirs = await sites.tenant.ask_json("provider", "resources", PROVIDER)
    assert [(one["mode"], one["vms"]) for one in theirs["failovers"]] == [("partial", [DB.vm])]

    await sites.tenant.ask("failover", "undo", "acme", DB.vm, "--host", NETWORK)
    await proofs.silent(web, addresses)
    assert not lab.machines.powered_on(replica_of("acme", DB.vm))
    await lab.machines.power_on(original_of("acme", DB.vm))
    await proofs.returned(lab, DB, web)
    assert "failovers" not in await sites.tenant.ask_json("provider", "resources", PROVIDER)
    for side in ("provider", "tenant"):
        said = await getattr(sites, side).ask("status", ok=(0, 1))
        assert "Nothing is wrong" in said, said

    assert inward.opened == 0
    outside = lab.machines.console(INTERNET_HOST)
    for address in proofs.router_addresses(lab, "acme"):
        await proofs.closed(outside, [(address, 22)])
    assert inward.opened >= 2, "the control: who knocks is counted"
