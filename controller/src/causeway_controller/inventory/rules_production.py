"""Rules of a tenant's own production networks, at the tenant's controller."""

from __future__ import annotations

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork
from causeway_controller.contract.tenant import Dhcp, TenantNetwork
from causeway_controller.inventory import rules_adapters, rules_tenant
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings, distinct, unknown
from causeway_wire import address_kinds
from causeway_wire.problem import ProblemType


def check(findings: Findings, inventory: Inventory, book: Book) -> None:
    """Note what is wrong with them."""
    entries = [(one, f"/production/{n}") for n, one in enumerate(inventory.production)]
    distinct(findings, ((one.id, f"{where}/id") for one, where in entries), "provider")
    networks = [
        (one, entry.tenant, f"{where}/networks/{n}")
        for entry, where in entries
        for n, one in enumerate(entry.networks)
    ]
    named = (((tenant, one.id), f"{where}/id") for one, tenant, where in networks)
    distinct(findings, named, "network")
    for one, _, where in networks:
        rules_tenant.one_network(findings, _whole(one), where)
        if one.appliance is not UNSET:
            _appliance(findings, one, one.appliance, book, f"{where}/appliance")
    _apart(findings, networks)


def _appliance(
    findings: Findings, network: OwnNetwork, appliance: OwnAppliance, book: Book, pointer: str
) -> None:
    if appliance.host not in book.hosts:
        unknown(findings, f"{pointer}/host", "host", appliance.host, book.hosts)
    if isinstance(appliance.address, Dhcp):
        rules_adapters.by_dhcp(findings, f"{pointer}/address")
    else:
        rules_tenant.tenant_end(findings, _whole(network), appliance.address, f"{pointer}/address")


def _whole(network: OwnNetwork) -> TenantNetwork:
    """The network as the provider's inventory has it."""
    return TenantNetwork(id=network.id, prefixes=network.prefixes, gateways=network.gateways)


def _apart(findings: Findings, networks: list[tuple[OwnNetwork, str, str]]) -> None:
    """Each address of production is in one network."""
    prefixes = [
        (prefix, f"{where}/prefixes/{n}")
        for one, _, where in networks
        for n, prefix in enumerate(one.prefixes)
    ]
    for later, earlier in address_kinds.overlapping(prefix for prefix, _ in prefixes):
        (prefix, where), (other, at) = prefixes[later], prefixes[earlier]
        findings.add(ProblemType.OVERLAP, where, f"{prefix} overlaps {other} at {at}; networks are apart")
