"""Appliances: names and addresses of their own, in the provider's networks and in the tenants'."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory.appliances import needed
from causeway_wire.desired import Extension
from tests.provider_inventory import found, other_tenant, seed_example, subscription, tenant, uplink, with_


def test_no_two_appliances_have_an_address() -> None:
    for taken in ("203.0.113.10/24", "203.0.113.2/24"):
        twin = other_tenant(subscriptions=(subscription("small", at=uplink(taken)),))
        assert found(seed_example(tenants=(tenant(), twin))) == [
            ("/tenants/1/subscriptions/0/uplink/address/addresses/0", "duplicate")
        ]


def test_no_two_appliances_have_a_name() -> None:
    (gateway,), (appliance,) = seed_example().gateways, needed(seed_example())
    twin = with_(
        gateway,
        id=appliance.id,
        public=(ip_interface("198.51.100.3/24"),),
        inside=(ip_interface("203.0.113.3/24"),),
    )
    assert found(seed_example(gateways=(gateway, twin))) == [("/tenants/0/subscriptions/0/plan", "duplicate")]


def test_test_addresses_are_public_addresses_of_nobody_else() -> None:
    addresses = ("198.51.100.11", "192.0.2.1", "198.51.100.20")
    inventory = seed_example(tenants=(tenant(test_addresses=tuple(map(ip_address, addresses))),))
    assert found(inventory) == [
        ("/tenants/0/test_addresses/0", "duplicate"),
        ("/tenants/0/test_addresses/1", "outside-allocation"),
    ]


def test_a_gateway_reaches_its_own_gateways() -> None:
    (gateway,) = seed_example().gateways
    inventory = seed_example(gateways=(with_(gateway, gateways=(ip_address("192.0.2.1"),)),))
    assert found(inventory) == [("/gateways/0/gateways/0", "outside-network")]


def given_in_lan(address: str, **members: object) -> Inventory:
    """The appliance has this address in the tenant's network."""
    first, *rest = tenant().subscriptions
    mapped = with_(first.networks[0], appliance_addresses=(ip_interface(address),), **members)
    return seed_example(tenants=(tenant(subscriptions=(with_(first, networks=(mapped,)), *rest)),))


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("192.168.10.11/24", "duplicate"),
        ("192.168.10.1/24", "duplicate"),
        ("192.168.20.9/24", "outside-network"),
        ("192.168.10.255/24", "invalid"),
    ],
)
def test_the_appliance_is_one_more_machine_of_the_network(address: str, problem: str) -> None:
    where = "/tenants/0/subscriptions/0/networks/0/appliance_addresses/0"
    assert found(given_in_lan(address)) == [(where, problem)]


def test_an_adapter_that_is_bridged_has_no_address() -> None:
    inventory = given_in_lan("192.168.10.251/24", extension=Extension.BRIDGED)
    where = "/tenants/0/subscriptions/0/networks/0/appliance_addresses"
    assert found(inventory) == [(where, "invalid")]
