"""Failover plans that cannot be kept are refused when they are entered."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import PublicPool
from causeway_controller.contract.tenant import FailoverPlan, PlanEntry, Static
from causeway_controller.inventory.allocation import Allocation, PublicLease
from tests.provider_inventory import (
    found,
    network,
    rule,
    seed_example,
    subscription,
    tenant,
    two_hosts,
    uplink,
    vm,
    with_,
)

BOTH = ("203.0.113.10/24", "2001:db8:5::10/64")


def of_tenant(**members: object) -> Callable[[], Inventory]:
    return lambda: seed_example(tenants=(with_(tenant(), **members),))


def of_plan(**members: object) -> Callable[[], Inventory]:
    def make() -> Inventory:
        changed = with_(tenant().failover_plans[0], **members)
        return seed_example(tenants=(tenant(failover_plans=(changed,)),))

    return make


FAILOVER = [
    (of_plan(rules=(rule(port=22),)), "/tenants/0/failover_plans/0/rules/0/public_port", "reserved-port"),
    (
        of_plan(rules=(rule(port=20, public_port_end=30),)),
        "/tenants/0/failover_plans/0/rules/0/public_port",
        "reserved-port",
    ),
    (
        of_plan(rules=(rule(), rule("other", 440, public_port_end=450))),
        "/tenants/0/failover_plans/0/rules/0/public_port",
        "duplicate",
    ),
    (
        of_plan(rules=(rule(public_address=ip_address("198.51.100.12")),)),
        "/tenants/0/failover_plans/0/rules/0/public_address",
        "outside-allocation",
    ),
    (
        of_plan(rules=(rule(internal_address=ip_address("192.168.10.77")),)),
        "/tenants/0/failover_plans/0/rules/0/internal_address",
        "unknown-reference",
    ),
    (
        of_plan(rules=(rule(vm="db1"),)),
        "/tenants/0/failover_plans/0/rules/0/internal_address",
        "unknown-reference",
    ),
    (
        of_plan(entries=(PlanEntry(vm="db1", after=("web1",)), PlanEntry(vm="web1", after=("db1",)))),
        "/tenants/0/failover_plans/0/entries/0/after",
        "invalid",
    ),
    (
        of_plan(entries=(PlanEntry(vm="db1", after=("db1",)),)),
        "/tenants/0/failover_plans/0/entries/0/after",
        "invalid",
    ),
    (
        of_plan(entries=(PlanEntry(vm="db1", priority=2), PlanEntry(vm="web1", priority=1, after=("db1",)))),
        "/tenants/0/failover_plans/0/entries/1/after/0",
        "invalid",
    ),
    (of_plan(entries=(PlanEntry(vm="x"),)), "/tenants/0/failover_plans/0/entries/0/vm", "unknown-reference"),
    (
        of_plan(entries=(PlanEntry(vm="db1", after=("x",)),)),
        "/tenants/0/failover_plans/0/entries/0/after/0",
        "unknown-reference",
    ),
    (
        of_plan(entries=(PlanEntry(vm="db1"), PlanEntry(vm="db1"))),
        "/tenants/0/failover_plans/0/entries/1/vm",
        "duplicate",
    ),
    (of_plan(routed=("lan", "dmz")), "/tenants/0/failover_plans/0/routed/1", "invalid"),
    (
        of_tenant(networks=(with_(network(), gateways=()), network("dmz", 20))),
        "/tenants/0/failover_plans/0/entries/0/vm",
        "invalid",
    ),
]


@pytest.mark.parametrize(("make", "pointer", "kind"), FAILOVER)
def test_what_breaks_a_rule_is_refused_under_its_pointer(
    make: Callable[[], Inventory], pointer: str, kind: str
) -> None:
    assert found(make())[0] == (pointer, kind)


def test_an_internal_port_22_may_be_published_on_another() -> None:
    assert found(of_plan(rules=(rule(port=2222, internal_port=22),))()) == []


def test_a_service_may_be_published_on_an_address_that_was_chosen() -> None:
    address = ip_address("198.51.100.40")
    inventory = of_plan(rules=(rule(public_address=address),))()
    held = Allocation(public=(PublicLease(tenant="acme", address=address),))
    assert found(inventory, held=held) == []


def test_nobody_waits_for_a_vm_of_another_host() -> None:
    far = with_(vm("db1", 12, on="esx2"), network="dmz", addresses=(ip_address("192.168.20.12"),))
    (both,) = two_hosts().tenants
    inventory = with_(two_hosts(), tenants=(with_(both, vms=(vm("web1", 11), far)),))
    assert found(inventory) == [("/tenants/0/failover_plans/0/entries/1/after/0", "invalid")]


def test_a_gateway_of_each_ip_version_that_vms_have_is_known_before_the_disaster() -> None:
    six = ip_network("2001:db8:10::/80")
    both = with_(network(), prefixes=(*network().prefixes, six))
    vms = (vm("web1", 11), with_(vm("db1", 12), addresses=(*vm("db1", 12).addresses, six[12])))
    assert found(of_tenant(networks=(both, network("dmz", 20)), vms=vms)()) == [
        ("/tenants/0/failover_plans/0/entries/0/vm", "invalid")
    ]
    gated = with_(both, gateways=(*both.gateways, six[1]))
    assert found(of_tenant(networks=(gated, network("dmz", 20)), vms=vms)()) == []


@pytest.mark.parametrize("without", ["web1", "db1"])
def test_replicas_come_one_by_one_also_to_vms_that_wait_for_each_other(without: str) -> None:
    entered = (with_(one, replica=UNSET) if one.name == without else one for one in tenant().vms)
    assert found(of_tenant(vms=tuple(entered))()) == []


@pytest.mark.parametrize(("uplinks", "kinds"), [(("203.0.113.10/24",), ["unsupported"]), (BOTH, [])])
def test_nothing_is_published_that_the_uplink_cannot_answer(
    uplinks: tuple[str, ...], kinds: list[str]
) -> None:
    public, own = ip_address("2001:db8:51::11"), ip_address("2001:db8:10::11")
    web = with_(vm("web1", 11), addresses=(own,))
    lan = with_(network(), prefixes=(ip_network("2001:db8:10::/64"),), gateways=())
    at = with_(uplink(), address=Static(addresses=tuple(map(ip_interface, uplinks))))
    plan = FailoverPlan(
        id="site",
        entries=(PlanEntry(vm="web1"),),
        rules=(rule(public_address=public, internal_address=own),),
    )
    whole = tenant(
        public_addresses=(public,),
        networks=(lan, network("dmz", 20)),
        subscriptions=(subscription("small", "lan", at=at), subscription("large", "dmz", at=at)),
        vms=(web,),
        failover_plans=(plan,),
    )
    pool = PublicPool(id="v6", first=ip_address("2001:db8:51::10"), last=ip_address("2001:db8:51::20"))
    told = dict(found(seed_example(tenants=(whole,), public_pools=(pool,))))
    where = "/tenants/0/failover_plans/0/rules/0/public_address"
    assert [kind for pointer, kind in told.items() if pointer == where] == kinds
