"""What a tenant's controller is told is the tenant's."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace

from causeway_controller.inventory import tenant_view
from causeway_controller.inventory.entry import enter
from tests.provider_inventory import seed_example


def test_public_addresses_are_those_that_were_named_and_those_that_were_chosen() -> None:
    example = seed_example()
    named = ip_address("198.51.100.11")
    tenant = replace(example.tenants[0], public_addresses=(named,), more_public_ipv4=1)
    inventory = replace(example, tenants=(tenant,))
    found = tenant_view.resources(inventory, enter(inventory), tenant.id, open_runs=(), standing={})
    assert found.public_addresses[0] == named
    assert len(set(found.public_addresses)) == 2
