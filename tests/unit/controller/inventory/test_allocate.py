"""What tenants are given: enough, nothing twice, and nothing that moves when something is edited."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import NetworkClass
from causeway_controller.contract.tenant import Adapters, Tenant
from causeway_controller.inventory.allocation import NOTHING, Allocation
from causeway_controller.inventory.appliances import needed
from causeway_controller.inventory.entry import enter
from causeway_wire.problem import ProblemError
from tests.provider_inventory import (
    network,
    plan,
    seed_example,
    subscription,
    tenant,
    two_hosts,
    uplink_of,
    vlan_pool,
    with_,
)


def test_plans_of_two_and_three_networks_on_one_host_are_one_appliance_with_six_vnics() -> None:
    (appliance,) = needed(seed_example())
    assert (appliance.tenant, appliance.host) == ("acme", "esx1")
    assert appliance.adapters == ("uplink", "small/n1", "small/n2", "large/n1", "large/n2", "large/n3")
    given_ = enter(seed_example())
    assert [lease.vlan for lease in given_.vlans] == [100, 150, 101, 151, 102]
    assert len({lease.mac for lease in given_.macs}) == 6


def test_plans_on_two_hosts_are_two_appliances() -> None:
    inventory = two_hosts()
    assert [(a.host, len(a.adapters)) for a in needed(inventory)] == [("esx1", 3), ("esx2", 4)]
    assert [(lease.host, lease.vlan) for lease in enter(inventory).vlans] == [
        ("esx1", 100),
        ("esx1", 150),
        ("esx2", 100),
        ("esx2", 150),
        ("esx2", 101),
    ]


def test_vnics_have_unicast_addresses_that_no_vendor_gave() -> None:
    firsts = [int(lease.mac[:2], 16) for lease in enter(seed_example()).macs]
    assert all(first & 0x03 == 0x02 for first in firsts)


def test_tunnels_have_odd_ports_and_inner_addresses_of_their_own() -> None:
    tunnels = enter(seed_example()).tunnels
    assert [(lease.network, lease.port) for lease in tunnels] == [("lan", 1195), ("dmz", 1197)]
    assert tunnels[1].inner == (
        (ip_address("100.64.0.5"), ip_address("100.64.0.6")),
        (ip_address("fd43:6175:7365::5"), ip_address("fd43:6175:7365::6")),
    )


def test_inner_addresses_are_none_of_production() -> None:
    lan = with_(network(), prefixes=(ip_network("100.64.0.0/24"),), gateways=(ip_address("100.64.0.1"),))
    inventory = seed_example(tenants=(tenant(networks=(lan, network("dmz", 20)), vms=(), failover_plans=()),))
    assert [str(lease.inner[0][0]) for lease in enter(inventory).tunnels] == ["100.64.1.1", "100.64.1.5"]


def test_a_changed_pool_moves_nothing_that_was_given() -> None:
    before = enter(seed_example())
    narrowed = seed_example(
        vlan_pools=(
            vlan_pool("net", 300, 349),
            vlan_pool("iso", 350, 399, network_class=NetworkClass.ISOLATED),
        ),
        hardware_plans=(plan("small", 2), plan("large", 4)),
    )
    after = enter(narrowed, before=seed_example(), held=before)
    assert set(before.vlans) <= set(after.vlans)
    assert [lease.vlan for lease in after.vlans if lease not in before.vlans] == [300]


def test_an_exhausted_pool_is_refused_under_the_subscription() -> None:
    pools = (vlan_pool("net", 100, 101), vlan_pool("iso", 150, 199, network_class=NetworkClass.ISOLATED))
    with pytest.raises(ProblemError) as caught:
        enter(seed_example(vlan_pools=pools))
    assert caught.value.problem.pointer == "/tenants/0/subscriptions/1/plan"
    assert "enter another VLAN pool" in caught.value.problem.detail


def test_networks_of_a_trunk_are_on_one_switch() -> None:
    subscriptions = tuple(with_(each, adapters=Adapters.TRUNK) for each in tenant().subscriptions)
    pools = (
        vlan_pool("net", 100, 149),
        vlan_pool("iso", 150, 199, switch="dvs-8", network_class=NetworkClass.ISOLATED),
    )
    with pytest.raises(ProblemError, match=r"dvs-7, whose trunk"):
        enter(seed_example(vlan_pools=pools, tenants=(tenant(subscriptions=subscriptions),)))


def test_addresses_are_chosen_out_of_the_pools_and_kept() -> None:
    asking = seed_example(tenants=(tenant(more_public_ipv4=2),))
    held = enter(asking)
    assert [str(lease.address) for lease in held.public] == ["198.51.100.10", "198.51.100.12"]
    fewer = enter(seed_example(tenants=(tenant(more_public_ipv4=1),)), before=asking, held=held)
    assert [str(lease.address) for lease in fewer.public] == ["198.51.100.10"]
    with pytest.raises(ProblemError) as caught:
        enter(seed_example(tenants=(tenant(more_public_ipv4=200),)))
    assert caught.value.problem.pointer == "/tenants/0/more_public_ipv4"


def bare(name: str, plans: frozenset[str], addresses: int) -> Tenant:
    return tenant(
        name,
        networks=(network(),),
        subscriptions=tuple(subscription(each, at=uplink_of(name)) for each in sorted(plans)),
        vms=(),
        failover_plans=(),
        public_addresses=(),
        more_public_ipv4=addresses,
    )


INVENTORIES = st.builds(
    lambda chosen, order: seed_example(
        tenants=tuple(bare(name, *chosen[name]) for name in order if name in chosen)
    ),
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d"]),
        st.tuples(st.frozensets(st.sampled_from(["small", "large"])), st.integers(0, 4)),
    ),
    st.permutations(["a", "b", "c", "d"]),
)


def by_purpose(allocation: Allocation) -> dict[tuple[str, ...], object]:
    """What was given, by what it was given for."""
    return {
        **{("vlan", e.tenant, e.plan, e.network): (e.host, e.switch, e.vlan) for e in allocation.vlans},
        **{("mac", e.tenant, e.host, e.adapter): e.mac for e in allocation.macs},
        **{("tunnel", e.tenant, e.network): e.slot for e in allocation.tunnels},
        **{
            ("public", tenant, str(place)): address
            for tenant in {e.tenant for e in allocation.public}
            for place, address in enumerate(e.address for e in allocation.public if e.tenant == tenant)
        },
    }


@settings(max_examples=25)
@given(st.lists(INVENTORIES, min_size=2, max_size=4))
def test_whatever_is_edited_nothing_moves_and_nothing_is_given_twice(steps: list[Inventory]) -> None:
    held, before = NOTHING, None
    for inventory in steps:
        after = enter(inventory, before=before, held=held)
        old, new = by_purpose(held), by_purpose(after)
        assert all(new[key] == old[key] for key in old.keys() & new.keys())
        assert len({(e.host, e.switch, e.vlan) for e in after.vlans}) == len(after.vlans)
        assert len({e.mac for e in after.macs}) == len(after.macs)
        assert len({e.address for e in after.public}) == len(after.public)
        assert len(after.vlans) == sum(len(each.networks) for each in needed(inventory))
        assert enter(inventory, before=inventory, held=after) == after
        held, before = after, inventory
