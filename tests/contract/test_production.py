"""A tenant's own controller: its networks in the inventory, and what its runs and documents are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from causeway_controller.app.sites import Sites
from causeway_controller.contract import tenant_routes
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.provider import Host, HostKind, Storage, StorageKind
from causeway_controller.contract.requests import FailOver, FailOverSite
from causeway_controller.contract.tenant import Assignment, Dhcp, Static
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_controller.failover import documents, planning
from causeway_controller.failover.steps import OpenHalf, Power
from causeway_controller.fleet.pool import Pool
from causeway_controller.inventory import difference, entry, modes, production, tenancy
from causeway_controller.inventory.allocation import NOTHING
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.database import connect
from causeway_controller.store.inventories import Inventories
from causeway_controller.trust import pki
from causeway_controller.trust.identity import make_office
from causeway_controller.workflows.providers import client_of
from causeway_wire.desired import Partial, TenantRole
from causeway_wire.problem import ProblemError
from tests import joining
from tests.controller_api import serving
from tests.provider_inventory import tenant
from tests.two_sites import NAME, World, two_sites

pytestmark = pytest.mark.timeout(120)
(LAN, *_) = tenant().networks
OWN = Static(addresses=(ip_interface("192.168.10.250/24"),))


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


def site(
    address: Assignment = OWN, *, host: str = "esx9", kind: StorageKind = StorageKind.DATASTORE
) -> Inventory:
    """A tenant's site with the network `lan`."""
    appliance = OwnAppliance(host=host, network="pg-lan", address=address)
    network = OwnNetwork(id=LAN.id, prefixes=LAN.prefixes, gateways=LAN.gateways, appliance=appliance)
    storage = Storage(id="ds1", kind=kind)
    there = Host(id="esx9", kind=HostKind.LAB, endpoint="lab://own.example", storage=storage)
    return Inventory(hosts=(there,), production=(Production(id=NAME, tenant="acme", networks=(network,)),))


def refused(inventory: Inventory) -> list[tuple[str, object]]:
    with pytest.raises(ProblemError) as caught:
        entry.enter(inventory)
    one = caught.value.problem
    several = one.errors if isinstance(one.errors, tuple) else (one,)
    return [(each.type.removeprefix("urn:causeway:problem:"), each.pointer) for each in several]


APPLIANCE = "/production/0/networks/0/appliance"


def test_what_cannot_be_is_refused_when_it_is_entered() -> None:
    entry.enter(site())
    assert refused(site(host="esx8")) == [("unknown-reference", f"{APPLIANCE}/host")]
    assert refused(site(Dhcp())) == [("unsupported", f"{APPLIANCE}/address")]
    assert refused(site(kind=StorageKind.VIRTUAL_VOLUMES)) == [("unsupported", "/hosts/0/storage/kind")]
    outside = Static(addresses=(ip_interface("192.0.2.250/24"),))
    assert refused(site(outside)) == [("outside-network", f"{APPLIANCE}/address/addresses/0")]


def test_a_network_without_an_appliance_needs_none() -> None:
    whole = site()
    (there,) = whole.production
    bare = OwnNetwork(id=LAN.id, prefixes=LAN.prefixes)
    without = Inventory(hosts=whole.hosts, production=(Production(id=NAME, tenant="acme", networks=(bare,)),))
    entry.enter(without)
    assert [one.id for one in production.places(whole)] == [f"acme-{LAN.id}-tenant"]
    assert list(production.places(without)) == []
    assert there.networks[0].appliance


async def test_its_runs_are_planned_and_its_documents_made_of_what_the_provider_told(
    world: World, tmp_path: Path
) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        told = await acme.providers.resources(NAME)
        key = pki.make_key()
        async with client_of(acme.link()) as client:
            body = AskTunnel(request=pki.make_request(key))
            end = (await client.ask(tenant_routes.TUNNEL, {"network": LAN.id}, body=body)).read(TunnelEnd)
        acme.told.keep_end(NAME, end, key="vpn-client")
        database = connect(f"sqlite:///{tmp_path}/acme.db")
        sealing = joining.unlocked(database, now=world.clock)
        Inventories(database, now=world.clock).replace(site(), expected=0, actor="anna")
        office = make_office("controller", tmp_path, now=world.clock())
        async with Pool(office.identity) as pool:
            sites = Sites(
                database,
                sealing,
                pool=pool,
                controllers=(ip_network("192.168.10.9/32"),),
                image=tmp_path,
                now=world.clock,
            )
            found = await sites.load("acme", LAN.id)
            half = sites.half(NAME, "r1")
        database.close()
    vms = frozenset(one.vm for one in told.replicas if one.network == LAN.id)
    plan = planning.plan(FailOver(tenant="acme", vms=vms), found)
    assert [type(step.action) for step in plan.steps][:2] == [Power, OpenHalf]
    assert half is not None
    assert planning.after(plan, ()).vms == vms
    with pytest.raises(ProblemError, match="provider"):
        planning.plan(FailOverSite(tenant="acme", vms=vms), found)
    failed_over = tenancy.with_mode(found, "acme", modes.partial(vms))
    made = documents.document(failed_over, f"acme-{LAN.id}-tenant", generation=1, epoch=1)
    assert isinstance(made.role, TenantRole)
    assert isinstance(made.role.failover, Partial)
    tunnel = made.role.tunnel
    assert tunnel is not None
    assert (tunnel.certificate, tunnel.peer_name) == (end.certificate, end.server_name)
    assert told.gateways
    assert {one.address for one in tunnel.remotes} <= set(told.gateways.addresses)
    assert made.management.address == ip_address("192.168.10.250")


async def test_what_stands_in_production_is_needed_and_told_of(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=site()) as served:
        one = Deployed(
            id=f"acme-{LAN.id}-tenant", tenant="acme", host=LAN.id, address=ip_address("192.0.2.1"), port=8443
        )
        Appliances(served.database).enter(one, at=datetime.now(UTC))
        _, status, _ = await served.ask("GET", "/v1/status")
        assert (status["troubles"], status["appliances"]) == ([], 1)
    change = difference.between((Inventory(), NOTHING), (site(), NOTHING), revision=1)
    assert [(each.tenant, each.host) for each in change.appliances] == [("acme", LAN.id)]
