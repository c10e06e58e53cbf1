"""What the inventory needs of one host: networks, VLANs, appliances, replicas. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Gateway
from causeway_controller.contract.tenant import Tenant
from causeway_controller.inventory import appliances, book, production
from causeway_controller.inventory.allocation import Allocation, VlanLease
from causeway_controller.inventory.appliances import NeededAppliance
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import some
from causeway_controller.inventory.production import Place
from causeway_wire.desired import Extension
from causeway_wire.types import ApplianceId, IPAddress, MacAddress, Name, NetworkId, TenantId, VlanId, VmName

_NAMED: Final = 5
"""How many of many users a sentence names."""

Plug = str | tuple[str, VlanId]
"""A network that is named, or switch and VLAN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNeed:
    """VLANs of a pool, given out or not."""

    pool: Name
    switch: str
    vlans: range


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkNeed:
    """A tenant's VLANs on one vNIC, tagged."""

    tenant: TenantId
    switch: str
    vlans: tuple[VlanId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeNeed:
    """A vNIC of an appliance of production that is a port of a bridge."""

    network: str
    """Network or port group that it is plugged into."""
    mac: MacAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A VM that stands in for one of production, as the inventory has it."""

    tenant: TenantId
    vm: VmName
    vm_id: str
    macs: tuple[MacAddress, ...]
    """Of the production VM; a replica has the same or others, as what replicates likes it."""
    addresses: tuple[IPAddress, ...] = ()
    """Of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNeeds:
    """All that is to be there."""

    networks: tuple[str, ...] = ()
    """Networks or port groups that are named."""
    vlans: tuple[tuple[str, VlanId], ...] = ()
    """Switch and VLAN of those that tenants have been given."""
    pools: tuple[PoolNeed, ...] = ()
    trunks: tuple[TrunkNeed, ...] = ()
    bridged: tuple[TenantId, ...] = ()
    """Tenants with networks there that are extended by a bridge."""
    bridged_vlans: tuple[tuple[str, VlanId], ...] = ()
    """Switch and VLAN of those networks, as far as they have been given one."""
    bridges: tuple[BridgeNeed, ...] = ()
    """Of production, whose networks are named."""
    appliances: tuple[ApplianceId, ...] = ()
    replicas: tuple[Replica, ...] = ()
    users: Mapping[Plug, tuple[str, ...]] = field(default_factory=dict)
    """In words, who is plugged into each of `networks` and `vlans`."""

    def told(self, why: str, *plugs: Plug) -> str:
        """Return why something cannot be plugged into, with who is to be, where that is known."""
        users = [one for plug in plugs for one in self.users.get(plug, ())]
        return f"{why}; needed by {some(users, most=_NAMED)}" if users else why


def of_host(inventory: Inventory, given: Allocation, host: Name) -> HostNeeds:
    """Return what the inventory needs of this host."""
    names = book.index(inventory)
    needed = [one for one in appliances.needed(inventory) if one.host == host]
    gateways = [one for one in inventory.gateways if one.host == host]
    own = [place for place in production.places(inventory) if place.appliance.host == host]
    networks = (
        *(one.uplink.network for one in needed),
        *(network for one in gateways for network in (one.public_network, one.inside_network)),
        *(place.appliance.network for place in own),
    )
    plain = [one for one in needed if not one.trunk]
    vlans = ((lease.switch, lease.vlan) for one in plain for lease in _vlans(given, one))
    return HostNeeds(
        networks=tuple(dict.fromkeys(networks)),
        vlans=tuple(dict.fromkeys(vlans)),
        pools=tuple(
            PoolNeed(pool=pool.id, switch=pool.switch, vlans=range(pool.first, pool.last + 1))
            for pool in inventory.vlan_pools
            if pool.host == host
        ),
        trunks=tuple(_trunk(given, one) for one in needed if one.trunk and _vlans(given, one)),
        bridged=tuple(dict.fromkeys((*_bridged(names, host), *_bridged_here(own)))),
        bridged_vlans=tuple(one for each in names.tenants for one in bridged_vlans(names, given, each, host)),
        bridges=tuple(one for place in own for one in bridges(place)),
        appliances=(
            *(one.id for one in needed),
            *(one.id for one in gateways),
            *(place.id for place in own),
        ),
        replicas=tuple(_replicas(names, host)),
        users=_by_plug((*_of_provider(given, needed, gateways), *_of_production(own))),
    )


def _by_plug(users: Iterable[tuple[Plug, str]]) -> Mapping[Plug, tuple[str, ...]]:
    found: dict[Plug, list[str]] = defaultdict(list)
    for plug, user in users:
        found[plug].append(user)
    return {plug: tuple(dict.fromkeys(each)) for plug, each in found.items()}


def _of_provider(
    given: Allocation, needed: Iterable[NeededAppliance], gateways: Iterable[Gateway]
) -> Iterator[tuple[Plug, str]]:
    for one in needed:
        yield one.uplink.network, f"tenant {one.tenant} (uplink of appliance {one.id})"
        for (plan, network), lease in () if one.trunk else given.vlans_on(one.tenant, one.host).items():
            yield (lease.switch, lease.vlan), f"tenant {one.tenant} (network {network} of plan {plan})"
    for gateway in gateways:
        yield gateway.public_network, f"gateway {gateway.id} (`public_network`)"
        yield gateway.inside_network, f"gateway {gateway.id} (`inside_network`)"


def _of_production(own: Iterable[Place]) -> Iterator[tuple[Plug, str]]:
    for place in own:
        yield place.appliance.network, f"tenant {place.tenant} (appliance of network {place.network.id})"


def _vlans(given: Allocation, one: NeededAppliance) -> list[VlanLease]:
    return list(given.vlans_on(one.tenant, one.host).values())


def _trunk(given: Allocation, one: NeededAppliance) -> TrunkNeed:
    leases = _vlans(given, one)
    vlans = tuple(sorted(lease.vlan for lease in leases))
    return TrunkNeed(tenant=one.tenant, switch=leases[0].switch, vlans=vlans)


def _bridged(names: Book, host: Name) -> Iterator[TenantId]:
    for tenant in names.tenants.values():
        if any(_extended(names, tenant, host)):
            yield tenant.id


def _bridged_here(own: list[Place]) -> Iterator[TenantId]:
    for place in own:
        if place.appliance.extension is Extension.BRIDGED:
            yield place.tenant


def bridges(place: Place) -> tuple[BridgeNeed, ...]:
    """Return the vNICs of an appliance of production that are ports of a bridge."""
    return tuple(
        BridgeNeed(network=place.appliance.network, mac=one.mac)
        for one in place.vnics
        if one.adapter == production.EXTENSION
    )


def bridged_vlans(
    names: Book, given: Allocation, tenant: TenantId, host: Name
) -> tuple[tuple[str, VlanId], ...]:
    """Return switch and VLAN of the tenant's networks there that are extended by a bridge, where given."""
    leases = given.vlans_on(tenant, host)
    extended = (leases.get(place) for place in _extended(names, names.tenants[tenant], host))
    return tuple((lease.switch, lease.vlan) for lease in extended if lease is not None)


def _extended(names: Book, tenant: Tenant, host: Name) -> Iterator[tuple[Name, NetworkId]]:
    """Plan and network of those that are extended by a bridge."""
    for _, subscription, plan in names.subscribed(tenant):
        for network in subscription.networks:
            if plan.host == host and network.extension is Extension.BRIDGED:
                yield subscription.plan, network.plan_network


def _replicas(names: Book, host: Name) -> Iterator[Replica]:
    for tenant in names.tenants.values():
        for vm in tenant.vms:
            if vm.replica is not UNSET and vm.replica.host == host:
                yield Replica(
                    tenant=tenant.id, vm=vm.name, vm_id=vm.replica.vm_id, macs=vm.macs, addresses=vm.addresses
                )
