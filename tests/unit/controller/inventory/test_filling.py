"""Pools and lists that are nearly full are told where more can be entered, and no others."""

from __future__ import annotations

from ipaddress import ip_address

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import NetworkClass, PublicPool
from causeway_controller.inventory import filling
from causeway_controller.inventory.entry import enter
from tests.provider_inventory import plan, rule, seed_example, tenant, two_hosts, vlan_pool, with_


def told(inventory: Inventory) -> dict[str, tuple[int, int]]:
    """How much of how much, by pointer."""
    found = tuple(filling.find(inventory, enter(inventory)))
    assert all(one.detail.startswith(f"{one.used} of {one.most} ") and "; " in one.detail for one in found)
    return {one.pointer: (one.used, one.most) for one in found}


def test_what_has_room_is_not_told() -> None:
    assert told(seed_example()) == {}
    assert told(two_hosts()) == {}


def test_vlans_of_one_host_and_class_are_counted_over_all_pools() -> None:
    """The seed's plans need three VLANs with a way to the internet and two without."""
    isolated = vlan_pool("iso", 150, 199, network_class=NetworkClass.ISOLATED)
    assert told(seed_example(vlan_pools=(vlan_pool("net", 100, 102), isolated))) == {"/vlan_pools/0": (3, 3)}
    assert told(seed_example(vlan_pools=(vlan_pool("net", 100, 103), isolated))) == {}, "three of four"
    more = vlan_pool("more", 100, 100, switch="dvs-8")
    assert told(seed_example(vlan_pools=(vlan_pool("net", 100, 101), isolated, more))) == {
        "/vlan_pools/2": (3, 3)
    }


def test_public_addresses_count_however_they_were_given() -> None:
    def pools(*, last: str) -> Inventory:
        first = PublicPool(id="v4", first=ip_address("198.51.100.10"), last=ip_address(last))
        wide = PublicPool(id="v6", first=ip_address("2001:db8::1"), last=ip_address("2001:db8::ffff"))
        named = tenant(test_addresses=(ip_address("198.51.100.12"),), more_public_ipv4=2)
        return seed_example(public_pools=(first, wide), tenants=(named,))

    assert told(pools(last="198.51.100.14")) == {"/public_pools/0": (4, 5)}
    assert told(pools(last="198.51.100.15")) == {}, "four of six; the gateway's is in no pool"


def test_lists_that_have_a_last_place_are_told() -> None:
    addresses = tuple(ip_address("198.51.100.20") + n for n in range(60))
    assert told(seed_example(tenants=(tenant(test_addresses=addresses),))) == {}
    (followed,) = tenant().failover_plans
    rules = tuple(rule(f"r{n}", 1000 + n) for n in range(8000))
    full = with_(followed, rules=rules)
    assert told(seed_example(tenants=(tenant(failover_plans=(full,)),))) == {
        "/tenants/0/failover_plans/0/rules": (8000, 10_000)
    }
    wide = plan("wide", 103)
    assert told(seed_example(hardware_plans=(*seed_example().hardware_plans, wide))) == {
        "/hardware_plans/2/networks": (103, 128)
    }
