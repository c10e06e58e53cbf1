"""What a host must have for the inventory: which of its VLANs are bridged."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

from msgspec import UNSET
from msgspec.structs import replace

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.tenant import Static
from causeway_controller.inventory import host_needs, production
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


def test_a_bridge_of_production_is_told_by_its_network_and_the_vnic_that_is_its_port() -> None:
    own = OwnNetwork(
        id="lan",
        prefixes=(ip_network("192.168.10.0/24"),),
        appliance=OwnAppliance(
            host="esx1", network="pg", address=Static(addresses=(ip_interface("192.168.10.250/24"),))
        ),
    )
    (routed,) = production.places(site(own))
    assert host_needs.bridges(routed) == ()
    (place,) = production.places(site(replace(own, appliance=bridged(own))))
    (one,) = host_needs.bridges(place)
    assert (one.network, one.mac) == ("pg", place.vnics[1].mac)
    whole = site(replace(own, appliance=bridged(own)))
    assert host_needs.of_host(whole, enter(whole), "esx1").bridges == (one,)


def test_who_is_plugged_into_a_network_or_a_vlan_is_known() -> None:
    whole = seed_example()
    given = enter(whole)
    needs = host_needs.of_host(whole, given, "esx1")
    assert set(needs.users) == {*needs.networks, *needs.vlans}, "each has a user"
    (tenant, *_) = whole.tenants
    (lease, *_) = given.vlans_on(tenant.id, "esx1").values()
    who = f"tenant {tenant.id} (network {lease.network} of plan {lease.plan})"
    assert needs.told("it is gone", (lease.switch, lease.vlan)) == f"it is gone; needed by {who}"
    assert needs.told("it is gone", "another") == "it is gone"
    own = OwnNetwork(
        id="lan",
        prefixes=(ip_network("192.168.10.0/24"),),
        appliance=OwnAppliance(
            host="esx1", network="pg", address=Static(addresses=(ip_interface("192.168.10.250/24"),))
        ),
    )
    ours = host_needs.of_host(site(own), enter(site(own)), "esx1")
    assert ours.users == {"pg": ("tenant acme (appliance of network lan)",)}


def bridged(own: OwnNetwork) -> OwnAppliance:
    assert own.appliance is not UNSET
    return replace(own.appliance, extension=Extension.BRIDGED)


def site(own: OwnNetwork) -> Inventory:
    entry = Production(id="north", tenant="acme", networks=(own,))
    return Inventory(hosts=seed_example().hosts, production=(entry,))
