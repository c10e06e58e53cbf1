"""A tenant's own controller: its networks in the inventory, and what its runs and documents are made of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import cast

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from causeway_controller.app.sites import Sites
from causeway_controller.cli.appliances import proposal
from causeway_controller.cli.main import app
from causeway_controller.contract import tenant_routes
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.provider import Host, HostKind, NetworkClass, Storage, StorageKind
from causeway_controller.contract.requests import FailOver, FailOverSite
from causeway_controller.contract.tenant import Assignment, Dhcp, Static
from causeway_controller.contract.tenant_view import NetworkAtHost, NetworkView, TenantResources
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_controller.failover import documents, planning
from causeway_controller.failover.steps import OpenHalf, Power
from causeway_controller.fleet.pool import Pool
from causeway_controller.inventory import difference, entry, host_needs, modes, production, tenancy
from causeway_controller.inventory.allocation import NOTHING
from causeway_controller.inventory.health import Deployed
from causeway_controller.peers.half import HalfClient, HalfPatience
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Audit
from causeway_controller.store.database import connect
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.tenancies import Standing, Standings
from causeway_controller.trust import pki
from causeway_controller.trust.identity import make_office
from causeway_controller.workflows.providers import client_of
from causeway_wire.desired import Extension, Partial, TenantRole
from causeway_wire.problem import ProblemError, ProblemType
from tests import joining
from tests.controller_api import serving
from tests.controller_socket import at_socket
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


async def test_a_provider_that_production_relies_on_is_not_left_but_by_force(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        Inventories(tenant.database, now=world.clock).replace(site(), expected=0, actor="test")
        standings = Standings(tenant.database)
        standings.put("acme", "esx1", Standing(mode=modes.Partial(vms=frozenset({"db1"}))))
        standings.put("acme", LAN.id, Standing(mode=modes.Partial(vms=frozenset({"db1"}))))
        with pytest.raises(ProblemError, match=f"acme on {LAN.id}.*bring it back first"):
            await tenant.leave()
        assert (tenant.links.names(), world.members()) == ((NAME,), ["acme"])
        await tenant.providers.leave(NAME, actor="anna", force=True)
        assert (tenant.links.names(), world.members()) == ((), [])
        last = list(Audit(tenant.database).records())[-1].act
        assert (last.action, last.actor, last.detail) == ("provider.leave", "anna", "by force")


def test_a_network_without_an_appliance_needs_none() -> None:
    whole = site()
    (there,) = whole.production
    bare = OwnNetwork(id=LAN.id, prefixes=LAN.prefixes)
    without = Inventory(hosts=whole.hosts, production=(Production(id=NAME, tenant="acme", networks=(bare,)),))
    entry.enter(without)
    assert [one.id for one in production.places(whole)] == [f"acme-{LAN.id}-tenant"]
    assert list(production.places(without)) == []
    assert there.networks[0].appliance


def three_networks() -> Inventory:
    """A site of three networks, one of them without an appliance."""
    whole = site()
    (there,) = whole.production
    (lan,) = there.networks
    more = [
        replace(
            lan,
            id=name,
            prefixes=(ip_network(f"192.168.{third}.0/24"),),
            gateways=(),
            appliance=OwnAppliance(
                host="esx9",
                network=f"pg-{name}",
                address=Static(addresses=(ip_interface(f"192.168.{third}.250/24"),)),
            )
            if kept
            else UNSET,
        )
        for name, third, kept in (("dmz", 20, True), ("old", 30, False))
    ]
    return replace(whole, production=(replace(there, networks=(lan, *more)),))


def test_a_network_whose_appliance_was_left_out_is_named_with_what_follows(tmp_path: Path) -> None:
    with at_socket(tmp_path) as controller:
        Inventories(controller.database, now=controller.now).replace(
            three_networks(), expected=0, actor="test"
        )

        def ask(*words: str) -> Result:
            return CliRunner().invoke(app, ["--socket", str(controller.socket), *words])

        needed = json.loads(ask("appliance", "needed", "--json").stdout)["appliances"]
        assert [one["host"] for one in needed] == [LAN.id, "dmz"]
        partial = ("failover", "partial", "acme", "db9", "--host")
        for dry in ((), ("--dry-run",)):
            done = ask(*partial, "old", *dry)
            assert done.exit_code == 1
            assert "network old has no appliance here" in done.stderr
            assert "/production/0/networks/2/appliance" in done.stderr
        assert ask(*partial, "dmz", "--dry-run").exit_code == 0
        gone = "there is no network gone of acme with an appliance of this controller; there is lan, dmz"
        assert gone in ask(*partial, "gone").stderr
        unknown = ask("failover", "partial", "acmee", "db9").stderr
        assert "acmee has no subscription" in unknown
        assert "appliances are needed of acme: correct the name" in unknown
        assert "say --host" in ask(*partial[:-1]).stderr


def test_a_vm_of_another_network_is_told_with_its_network(tmp_path: Path) -> None:
    (place,) = production.places(site())
    other = replace(joining.resources(network="old").replicas[0], vm="db9")
    told = joining.resources(network=LAN.id)
    told = replace(told, replicas=(*told.replicas, other))
    found = production.site(place, told=told, end=None, mode=modes.Idle(), controllers=())
    with pytest.raises(ProblemError, match=r"db9: it is of network old.*without an appliance here"):
        planning.plan(FailOver(tenant="acme", vms=frozenset({"db9"})), found)


def extended(*ways: Extension, mac: str = "") -> TenantResources:
    """What the provider tells of a network that its hosts extend so."""
    at = tuple(
        NetworkAtHost(host=f"theirs-{n}", network_class=NetworkClass.INTERNET, extension=one)
        for n, one in enumerate(ways)
    )
    view = NetworkView(id=LAN.id, prefixes=LAN.prefixes, gateways=LAN.gateways, tunnel="t", at=at)
    told = joining.resources(network=LAN.id, networks=(view,))
    return replace(told, replicas=tuple(replace(one, macs=(mac,) if mac else ()) for one in told.replicas))


def ours(extension: Extension, told: TenantResources, mode: modes.Mode = modes.Idle()) -> tenancy.Site:  # noqa: B008 - it is frozen
    """The site whose appliance was entered so."""
    (entered,) = site().production
    (network,) = entered.networks
    assert network.appliance is not UNSET
    network = replace(network, appliance=replace(network.appliance, extension=extension))
    inventory = replace(site(), production=(replace(entered, networks=(network,)),))
    (place,) = production.places(inventory)
    return production.site(place, told=told, end=None, mode=mode, controllers=())


def test_an_appliance_is_proposed_for_a_network_as_the_provider_extends_it() -> None:
    def proposed(*ways: Extension) -> object:
        (network,) = proposal(extended(*ways))
        appliance = network.get("appliance")
        return (
            appliance if appliance is None else cast(dict[str, object], appliance).get("extension", "routed")
        )

    assert proposed(Extension.ROUTED) == "routed"
    assert proposed(Extension.BRIDGED, Extension.BRIDGED) == "bridged"
    assert proposed(Extension.ROUTED, Extension.BRIDGED) is None, "it has one tunnel"


def test_a_bridged_network_has_a_second_vnic_and_needs_the_macs_of_replicas() -> None:
    found = ours(Extension.BRIDGED, extended(Extension.BRIDGED))
    (tenant,) = found.tenants.values()
    (appliance,) = tenant.appliances.values()
    assert appliance.extension_nic is not None
    assert (appliance.extension_nic.addresses, appliance.extension_nic.mac) != ((), appliance.nic.mac)
    document = documents.document(found, appliance.id, generation=1, epoch=1)
    assert [nic.name for nic in document.nics] == ["lan", "extension"]
    wanted = FailOver(tenant="acme", vms=frozenset({"db1"}))
    with pytest.raises(ProblemError) as caught:
        planning.plan(wanted, found)
    lacks = "network lan is bridged: say which MAC addresses its replica has there"
    assert any(lacks in each.detail for each in caught.value.problem.each)
    known = ours(Extension.BRIDGED, extended(Extension.BRIDGED, mac="02:00:00:00:00:01"))
    assert known.tenants["acme"].vms["db1"].macs == ("02:00:00:00:00:01",)


@pytest.mark.parametrize("theirs", list(Extension))
def test_an_appliance_that_extends_otherwise_than_the_provider_is_refused(theirs: Extension) -> None:
    """Nobody may find it out in a failover: both ends of a tunnel carry the same."""
    (other,) = set(Extension) - {theirs}
    with pytest.raises(ProblemError, match=f"{theirs.value} at its host theirs-0.*{other.value}") as caught:
        ours(other, extended(theirs))
    assert caught.value.problem.type == ProblemType.UNSUPPORTED.urn
    standing = ours(other, extended(theirs), modes.partial(frozenset({"db1"})))
    assert standing.tenants["acme"].networks[LAN.id].extension is other, "else nothing could end it"


def test_what_a_bridged_network_needs_of_the_tenants_host_is_compared_with_it() -> None:
    (entered,) = site().production
    (network,) = entered.networks
    assert network.appliance is not UNSET
    network = replace(network, appliance=replace(network.appliance, extension=Extension.BRIDGED))
    inventory = replace(site(), production=(replace(entered, networks=(network,)),))
    assert host_needs.of_host(site(), NOTHING, "esx9").bridged == ()
    assert host_needs.of_host(inventory, NOTHING, "esx9").bridged == ("acme",)
    assert [one.adapters for one in production.needed(inventory)] == [("lan", "extension")]


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
                halves=HalfPatience().longer(10),
                now=world.clock,
            )
            found = await sites.load("acme", LAN.id)
            half = sites.half(NAME, "r1")
        database.close()
    assert isinstance(half, HalfClient)
    assert (half.patience.open, half.patience.end) == (4200, 12_000), "appliances are slow at both sites"
    assert half.patience.hold == HalfPatience().hold, "one's own appliance waits no longer either"
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
