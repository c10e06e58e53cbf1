"""One tenant on one host, out of the inventory: as the seed says, and nothing of anybody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import Adapters, Dhcp, FailoverPlan, PlanEntry
from causeway_controller.inventory import modes
from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.replicas import Told
from causeway_controller.inventory.start_order import planned
from causeway_controller.inventory.tenancy import GatewayCredentials, Site
from causeway_controller.inventory.views import Known, of_pool, tenancy
from causeway_wire.desired import Extension
from causeway_wire.problem import ProblemError
from tests.provider_inventory import rule, seed_example, subscription, tenant, two_hosts, uplink_of, with_

KNOWN = Known(
    controllers=(ip_network("203.0.113.200/32"),),
    gateway_credentials=GatewayCredentials(ca="", certificates={}),
)


def view(inventory: Inventory, host: str = "esx1", known: Known = KNOWN, plan: str = "") -> Site:
    return tenancy(inventory, enter(inventory), "acme", host, known=known, plan=plan)


def test_plans_of_two_and_three_networks_on_one_host_are_an_uplink_and_five_adapters() -> None:
    found = view(seed_example()).tenants["acme"]
    assert found.provider.id == "acme-esx1"
    assert found.server.management.address == ip_address("203.0.113.10")
    assert found.server.management.sources == KNOWN.controllers
    assert {name: nic.name for name, nic in found.server.vlans.items()} == {
        "lan": "vlan100",
        "dmz": "vlan101",
    }
    assert [nic.name for nic in found.server.spare] == ["vlan150", "vlan151", "vlan102"]
    macs = {nic.mac for nic in (found.server.uplink, *found.server.vlans.values(), *found.server.spare)}
    assert macs == {lease.mac for lease in enter(seed_example()).macs}
    assert found.server.denied == (ip_network("203.0.113.0/24"),)
    assert [(one.tunnel, one.port, one.internet) for one in found.networks.values()] == [
        ("lan-tunnel", 1195, True),
        ("dmz-tunnel", 1197, True),
    ]


def test_each_host_has_its_own_half_of_the_tenant() -> None:
    first, second = (view(two_hosts(), host).tenants["acme"] for host in ("esx1", "esx2"))
    assert (first.provider.id, list(first.networks), sorted(first.vms)) == (
        "acme-esx1",
        ["lan"],
        ["db1", "web1"],
    )
    assert (second.provider.id, list(second.networks), second.vms) == ("acme-esx2", ["dmz"], {})
    assert second.server.uplink.addresses == (ip_interface("203.0.113.30/24"),)
    assert second.publications == ()
    assert second.plan == ()


def test_networks_that_share_a_trunk_are_told_apart_by_their_tags() -> None:
    subscriptions = tuple(
        with_(each, adapters=Adapters.TRUNK)
        for each in (subscription("small", "lan"), subscription("large", "dmz"))
    )
    found = view(seed_example(tenants=(tenant(subscriptions=subscriptions),))).tenants["acme"].server
    assert found.trunk is not None
    assert {nic.mac for nic in (*found.vlans.values(), *found.spare)} == {found.trunk.mac}
    assert [nic.vlan for nic in (*found.vlans.values(), *found.spare)] == [100, 101, 150, 151, 102]


def test_an_appliance_has_the_addresses_in_the_network_that_it_is_given() -> None:
    first, *rest = tenant().subscriptions
    (mapped,) = first.networks
    own = (ip_interface("192.168.10.251/24"),)
    first = with_(first, networks=(with_(mapped, appliance_addresses=own),))
    found = view(seed_example(tenants=(tenant(subscriptions=(first, *rest)),))).tenants["acme"]
    assert found.server.vlans["lan"].addresses == own
    assert found.networks["lan"].extension is Extension.ROUTED


def test_an_uplink_of_dhcp_that_was_entered_before_that_was_refused_says_what_to_do() -> None:
    before = seed_example()
    at = with_(uplink_of("acme"), address=Dhcp())
    subscriptions = (subscription("small", "lan", at=at), subscription("large", at=at))
    stored = seed_example(tenants=(tenant(subscriptions=subscriptions),))
    with pytest.raises(ProblemError, match="acme-esx1 is not known; enter it as static"):
        tenancy(stored, enter(before), "acme", "esx1", known=KNOWN)


def test_the_mode_and_the_gateways_come_along() -> None:
    site = view(seed_example(), known=replace(KNOWN, mode=modes.Full(frozenset({"db1"}))))
    assert site.modes == {"acme": modes.Full(frozenset({"db1"}))}
    (gateway,) = site.gateways
    assert (gateway.id, gateway.name, gateway.management.nic) == ("gw1", "gw.example", "inside")
    assert gateway.public.mac != gateway.inside.mac


def test_restore_points_come_along_for_the_replicas_that_they_are_of() -> None:
    point = datetime(2026, 5, 6, tzinfo=UTC)
    told = Told(host="esx1", vm_id="vm-db1", restored_to=point, addresses=(), at=point, by="robot")
    known = replace(KNOWN, replicas={"db1": told, "web1": told})
    inventory = seed_example()
    site = tenancy(inventory, enter(inventory), "acme", "esx1", known=known)
    assert {one.name: one.restored_to for one in site.tenants["acme"].vms.values()} == {
        "db1": point,
        "web1": None,
    }


def test_rules_that_were_published_take_the_place_of_the_plans() -> None:
    assert [one.id for one in view(seed_example()).tenants["acme"].publications] == ["web"]
    other = (rule("other", 8443),)
    site = view(seed_example(), known=replace(KNOWN, publications=other))
    assert site.tenants["acme"].publications == other


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ProblemError, match="no subscription on host esx2"):
        view(seed_example(), "esx2")
    with pytest.raises(ProblemError, match="there is site"):
        view(seed_example(), plan="other")


def test_a_plan_starts_what_is_waited_for_first_and_keeps_priorities() -> None:
    entries = (
        PlanEntry(vm="late", priority=5),
        PlanEntry(vm="web", priority=2, after=("db",)),
        PlanEntry(vm="db", priority=2, delay=3.0),
        PlanEntry(vm="first", priority=1),
    )
    order = planned(FailoverPlan(id="p", entries=entries), {"late", "web", "db", "first"})
    assert [(one.vm, one.delay) for one in order] == [("first", 0), ("db", 3.0), ("web", 0), ("late", 0)]
    assert [one.vm for one in planned(FailoverPlan(id="p", entries=entries), {"web", "late"})] == [
        "web",
        "late",
    ]


@settings(max_examples=50)
@given(st.permutations(range(12)), st.data())
def test_whatever_waits_starts_after_what_it_waits_for(order: list[int], data: st.DataObject) -> None:
    entries = tuple(
        PlanEntry(
            vm=f"vm{number}",
            after=tuple(
                f"vm{other}" for other in data.draw(st.sets(st.sampled_from(range(12)))) if other < number
            ),
        )
        for number in order
    )
    names = [one.vm for one in planned(FailoverPlan(id="p", entries=entries), {e.vm for e in entries})]
    assert sorted(names) == sorted(entry.vm for entry in entries)
    assert all(names.index(other) < names.index(entry.vm) for entry in entries for other in entry.after)


@pytest.mark.parametrize(("inventory", "hosts"), [(seed_example(), 1), (two_hosts(), 2)])
def test_a_pool_has_its_tenants_once_for_each_of_their_hosts(inventory: Inventory, hosts: int) -> None:
    found = list(of_pool(inventory, enter(inventory), "edge"))
    assert [one.tenant.id for one in found] == ["acme"] * hosts
    assert found[0].key == "acme"
    assert len({one.key for one in found}) == hosts
    assert len({one.tenant.provider.id for one in found}) == hosts
    assert list(of_pool(inventory, enter(inventory), "other")) == []
