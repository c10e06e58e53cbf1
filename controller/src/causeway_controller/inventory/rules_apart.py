"""Rules of what no two appliances and no two tenants may share: names, addresses, replicas."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import Static
from causeway_controller.inventory import appliances
from causeway_controller.inventory.addressing import in_pools
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings, distinct
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, Name, TenantId


def check(findings: Findings, inventory: Inventory, book: Book, held: Allocation) -> None:
    """Note what is shared. An address that the controller chose for one tenant cannot be another's."""
    _public_addresses(findings, inventory, held)
    _appliances(findings, inventory, book)
    replicas = (
        ((vm.replica.host, vm.replica.vm_id), f"/tenants/{place}/vms/{n}/replica/vm_id")
        for place, tenant in enumerate(inventory.tenants)
        for n, vm in enumerate(tenant.vms)
        if vm.replica is not UNSET
    )
    distinct(findings, replicas, "replica")


def _public_addresses(findings: Findings, inventory: Inventory, held: Allocation) -> None:
    owners: dict[IPAddress, tuple[TenantId, str]] = {}
    present = {tenant.id for tenant in inventory.tenants}
    chosen = {lease.address: lease.tenant for lease in held.public if lease.tenant in present}
    taken = {i.ip: gateway.id for gateway in inventory.gateways for i in gateway.public}
    for tenant, address, where, test in _named(inventory):
        if address in owners:
            detail = f"{address} is tenant {owners[address][0]}'s ({owners[address][1]}); choose another"
            findings.add(ProblemType.DUPLICATE, where, detail)
        elif address in chosen and (test or chosen[address] != tenant):
            detail = f"{address} was handed out to tenant {chosen[address]}; choose another"
            findings.add(ProblemType.DUPLICATE, where, detail)
        elif address in taken:
            detail = f"{address} is gateway {taken[address]}'s own; choose another"
            findings.add(ProblemType.DUPLICATE, where, detail)
        elif not in_pools(inventory.public_pools, address):
            detail = f"{address} is in none of the public pools; choose another, or enter its pool first"
            findings.add(ProblemType.OUTSIDE_ALLOCATION, where, detail)
        owners.setdefault(address, (tenant, where))


def _named(inventory: Inventory) -> Iterator[tuple[TenantId, IPAddress, str, bool]]:
    """Each address that is named for a tenant, where, and whether it is one for rehearsals."""
    for place, tenant in enumerate(inventory.tenants):
        for member in ("public_addresses", "test_addresses"):
            for n, address in enumerate(getattr(tenant, member)):
                yield tenant.id, address, f"/tenants/{place}/{member}/{n}", member == "test_addresses"


def _appliances(findings: Findings, inventory: Inventory, book: Book) -> None:
    """Every appliance has a name of its own, and addresses that are nobody else's on the provider's side."""
    names: list[tuple[Name, str]] = [(g.id, f"/gateways/{n}/id") for n, g in enumerate(inventory.gateways)]
    addresses = [
        (interface.ip, f"/gateways/{place}/{side}/{n}")
        for place, gateway in enumerate(inventory.gateways)
        for side in ("public", "inside")
        for n, interface in enumerate(getattr(gateway, side))
    ]
    for place, tenant in enumerate(inventory.tenants):
        for appliance in appliances.of_tenant(tenant, book):
            where = f"/tenants/{place}/subscriptions/{appliance.subscription}"
            names.append((appliance.id, f"{where}/plan"))
            if isinstance(appliance.uplink.address, Static):
                addresses += (
                    (interface.ip, f"{where}/uplink/address/addresses/{n}")
                    for n, interface in enumerate(appliance.uplink.address.addresses)
                )
    distinct(findings, names, "appliance")
    distinct(findings, addresses, "an appliance's address")
