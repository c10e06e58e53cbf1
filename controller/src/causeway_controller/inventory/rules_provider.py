"""Rules of what the provider has: hosts, pools, gateways, hardware plans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import GatewayPool, Host, PublicPool, StorageKind, VlanPool
from causeway_controller.inventory import rules_adapters
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings, distinct, unknown
from causeway_wire import address_kinds, limits
from causeway_wire.problem import ProblemType

_UNFIT: Final = {
    StorageKind.VIRTUAL_VOLUMES: "VMware Virtual Volumes",
    StorageKind.DATASTORE_CLUSTER: "a datastore cluster",
}
"""Where no appliance can be put (seed, limitations)."""


def check(findings: Findings, inventory: Inventory, book: Book) -> None:
    """Note what is wrong with the provider's half, tenants aside."""
    _unique_names(findings, inventory)
    for place, host in enumerate(inventory.hosts):
        _host(findings, host, f"/hosts/{place}")
    _vlan_pools(findings, inventory.vlan_pools, book)
    _public_pools(findings, inventory.public_pools)
    _gateways(findings, inventory, book)
    for place, plan in enumerate(inventory.hardware_plans):
        pointer = f"/hardware_plans/{place}"
        if plan.host not in book.hosts:
            unknown(findings, f"{pointer}/host", "host", plan.host, book.hosts)
        names = ((entry.id, f"{pointer}/networks/{n}/id") for n, entry in enumerate(plan.networks))
        distinct(findings, names, f"network of plan {plan.id}")


def _unique_names(findings: Findings, inventory: Inventory) -> None:
    for kind in (
        "hosts",
        "vlan_pools",
        "public_pools",
        "gateways",
        "gateway_pools",
        "hardware_plans",
        "tenants",
    ):
        entries = getattr(inventory, kind)
        names = ((entry.id, f"/{kind}/{place}/id") for place, entry in enumerate(entries))
        distinct(findings, names, "name")


def _host(findings: Findings, host: Host, pointer: str) -> None:
    unfit = _UNFIT.get(host.storage.kind)
    if unfit is not None:
        detail = f"an appliance cannot be put on {unfit}; name one datastore of host {host.id}"
        findings.add(ProblemType.UNSUPPORTED, f"{pointer}/storage/kind", detail)


def _vlan_pools(findings: Findings, pools: Iterable[VlanPool], book: Book) -> None:
    """Ranges run upwards and no VLAN of a switch is in two: it would be handed out twice."""
    by_switch: dict[tuple[str, str], list[tuple[VlanPool, str]]] = {}
    for place, pool in enumerate(pools):
        pointer = f"/vlan_pools/{place}"
        if pool.host not in book.hosts:
            unknown(findings, f"{pointer}/host", "host", pool.host, book.hosts)
        if pool.first > pool.last:
            detail = f"the range runs from {pool.first} down to {pool.last}; exchange them"
            findings.add(ProblemType.INVALID, f"{pointer}/last", detail)
            continue
        for other, where in by_switch.setdefault((pool.host, pool.switch), []):
            if pool.first <= other.last and other.first <= pool.last:
                detail = (
                    f"VLANs {pool.first}-{pool.last} overlap {other.first}-{other.last} of {where} on switch "
                    f"{pool.switch}; give each range VLANs of its own"
                )
                findings.add(ProblemType.OVERLAP, f"{pointer}/first", detail)
                break
        by_switch[pool.host, pool.switch].append((pool, pointer))


def _public_pools(findings: Findings, pools: Iterable[PublicPool]) -> None:
    sound: list[tuple[int, int, int, str]] = []
    for place, pool in enumerate(pools):
        pointer = f"/public_pools/{place}"
        if pool.first.version != pool.last.version:
            detail = f"{pool.first} and {pool.last} are of two IP versions; enter one pool for each"
            findings.add(ProblemType.INVALID, f"{pointer}/last", detail)
            continue
        if int(pool.first) > int(pool.last):
            detail = f"the range runs from {pool.first} down to {pool.last}; exchange them"
            findings.add(ProblemType.INVALID, f"{pointer}/last", detail)
            continue
        for member, address in (("first", pool.first), ("last", pool.last)):
            if (why := address_kinds.special(address)) is not None:
                detail = f"{address} is {why}; no service can be published on it"
                findings.add(ProblemType.INVALID, f"{pointer}/{member}", detail)
        sound.append((pool.first.version, int(pool.first), int(pool.last), pointer))
    _apart(findings, sound)


def _apart(findings: Findings, ranges: list[tuple[int, int, int, str]]) -> None:
    """Note each (version, first, last, pointer) that overlaps one that begins no later."""
    furthest: dict[int, tuple[int, str]] = {}
    for version, first, last, pointer in sorted(ranges):
        end, where = furthest.get(version, (-1, ""))
        if first <= end:
            detail = f"it has addresses of {where} too; give each pool addresses of its own"
            findings.add(ProblemType.OVERLAP, f"{pointer}/first", detail)
        if last > end:
            furthest[version] = (last, pointer)


def _gateways(findings: Findings, inventory: Inventory, book: Book) -> None:
    for place, gateway in enumerate(inventory.gateways):
        pointer = f"/gateways/{place}"
        if gateway.host not in book.hosts:
            unknown(findings, f"{pointer}/host", "host", gateway.host, book.hosts)
        for side, interfaces in (("public", gateway.public), ("inside", gateway.inside)):
            rules_adapters.addresses(findings, interfaces, f"{pointer}/{side}", "gateway")
        rules_adapters.gateways(findings, gateway.gateways, gateway.public, f"{pointer}/gateways")
    for place, pool in enumerate(inventory.gateway_pools):
        _gateway_pool(findings, pool, inventory, book, f"/gateway_pools/{place}")


def _gateway_pool(
    findings: Findings, pool: GatewayPool, inventory: Inventory, book: Book, pointer: str
) -> None:
    """Its gateways exist, and can hold all its tenants: each gateway knows every one of them."""
    for n, name in enumerate(pool.gateways):
        if name not in book.gateways:
            unknown(findings, f"{pointer}/gateways/{n}", "gateway", name, book.gateways)
    named = ((name, f"{pointer}/gateways/{n}") for n, name in enumerate(pool.gateways))
    distinct(findings, named, f"gateway of pool {pool.id}")
    tenants = [tenant for tenant in inventory.tenants if tenant.gateway_pool == pool.id]
    tunnels = sum(1 for tenant in tenants for network in tenant.networks if network.tenant_end is not UNSET)
    for count, most, what in (
        (len(tenants), limits.TENANTS, "tenants"),
        (tunnels, limits.TUNNELS, "tunnels"),
    ):
        if count > most:
            detail = f"a gateway knows at most {most} {what}, and this pool has {count}; use several"
            findings.add(ProblemType.UNSUPPORTED, pointer, detail)
