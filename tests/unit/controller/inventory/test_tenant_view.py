"""What a tenant's controller is told is the tenant's."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

from msgspec import UNSET
from msgspec.structs import replace

from causeway_controller.inventory import tenant_view
from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.replicas import Told
from tests.provider_inventory import seed_example


def test_public_addresses_are_those_that_were_named_and_those_that_were_chosen() -> None:
    example = seed_example()
    named = ip_address("198.51.100.11")
    tenant = replace(example.tenants[0], public_addresses=(named,), more_public_ipv4=1)
    inventory = replace(example, tenants=(tenant,))
    found = tenant_view.resources(inventory, enter(inventory), tenant.id, open_runs=(), standing={})
    assert found.public_addresses[0] == named
    assert len(set(found.public_addresses)) == 2


def test_a_tenant_is_told_how_old_its_replicas_are() -> None:
    inventory, point = seed_example(), datetime(2026, 5, 6, tzinfo=UTC)
    told = Told(host="esx1", vm_id="vm-db1", restored_to=point, addresses=(), at=point, by="robot")
    found = tenant_view.resources(
        inventory, enter(inventory), "acme", open_runs=(), standing={}, told={"db1": told, "web1": told}
    )
    assert {one.vm: one.restored_to for one in found.replicas} == {"db1": point, "web1": UNSET}
