"""What a host must have for the inventory: which of its VLANs are bridged."""

from __future__ import annotations

from msgspec.structs import replace

from causeway_controller.inventory import host_needs
from causeway_controller.inventory.entry import enter
from causeway_wire.desired import Extension
from tests.provider_inventory import seed_example


def test_only_the_vlans_of_networks_that_are_extended_by_a_bridge_are_told() -> None:
    whole = seed_example()
    assert host_needs.of_host(whole, enter(whole), "esx1").bridged_vlans == ()
    (first, *others) = whole.tenants
    subscription = first.subscriptions[0]
    bridged, *routed = subscription.networks
    networks = (replace(bridged, extension=Extension.BRIDGED, appliance_addresses=()), *routed)
    tenant = replace(
        first,
        subscriptions=(replace(subscription, networks=networks), *first.subscriptions[1:]),
    )
    inventory = replace(whole, tenants=(tenant, *others))
    given = enter(inventory)
    needs = host_needs.of_host(inventory, given, "esx1")
    lease = given.vlans_on(tenant.id, "esx1")[subscription.plan, bridged.plan_network]
    assert needs.bridged == (tenant.id,)
    assert needs.bridged_vlans == ((lease.switch, lease.vlan),)
    assert set(needs.bridged_vlans) <= set(needs.vlans)
