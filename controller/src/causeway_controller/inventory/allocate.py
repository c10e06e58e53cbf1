"""Give tenants what they need out of the provider's pools: VLANs, MAC addresses, tunnel slots, addresses.

Pure and deterministic: the lowest that is free. What is held stays held as long as it is needed, even when
its pool was changed or removed; what nobody needs any more is free again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import NetworkClass, VlanPool
from causeway_controller.contract.tenant import Tenant
from causeway_controller.inventory import appliances
from causeway_controller.inventory import book as names_of
from causeway_controller.inventory.addressing import inside
from causeway_controller.inventory.allocation import (
    SLOTS,
    Allocation,
    MacLease,
    PublicLease,
    TunnelLease,
    VlanLease,
    inner,
    mac_candidates,
)
from causeway_controller.inventory.appliances import NeededAppliance
from causeway_controller.inventory.findings import Findings
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, Name, NetworkId, TenantId


def allocate(inventory: Inventory, held: Allocation, findings: Findings) -> Allocation:
    """All that the inventory needs, `held` kept. Notes where a pool is used up; then nothing must be used."""
    names = names_of.index(inventory)
    needed = [
        (place, appliance)
        for place, tenant in enumerate(inventory.tenants)
        for appliance in appliances.of_tenant(tenant, names)
    ]
    return Allocation(
        vlans=_vlans(inventory, held, needed, findings),
        macs=_macs(held, [appliance for _, appliance in needed]),
        tunnels=_tunnels(inventory, held, findings),
        public=_public(inventory, held, findings),
    )


@dataclass(slots=True)
class _Vlans:
    """VLANs in the provider's pools that are free, the lowest first."""

    pools: tuple[VlanPool, ...]
    taken: set[tuple[Name, str, int]]
    _next: dict[Name, Iterator[int]] = field(default_factory=dict)

    def take(self, host: Name, network_class: NetworkClass, switch: str | None) -> tuple[str, int] | None:
        """A switch and a VLAN on it, now taken; None when there is none. With `switch`, on no other."""
        for pool in self.pools:
            if (pool.host, pool.network_class) != (host, network_class) or switch not in {None, pool.switch}:
                continue
            free = self._next.setdefault(pool.id, iter(range(pool.first, pool.last + 1)))
            for vlan in free:
                if (host, pool.switch, vlan) not in self.taken:
                    self.taken.add((host, pool.switch, vlan))
                    return pool.switch, vlan
        return None


def _vlans(
    inventory: Inventory, held: Allocation, needed: list[tuple[int, NeededAppliance]], findings: Findings
) -> tuple[VlanLease, ...]:
    names = names_of.index(inventory)
    kept = {(lease.tenant, lease.plan, lease.network): lease for lease in held.vlans}
    wanted = {(a.tenant, entry.plan, entry.network) for _, a in needed for entry in a.networks}
    taken = {(lease.host, lease.switch, lease.vlan) for key, lease in kept.items() if key in wanted}
    free = _Vlans(inventory.vlan_pools, taken)
    leases: list[VlanLease] = []
    for place, appliance in needed:
        switch: str | None = None
        for entry in appliance.networks:
            lease = kept.get((appliance.tenant, entry.plan, entry.network))
            if lease is None:
                network = names_of.plan_networks(names.plans[entry.plan])[entry.network]
                found = free.take(appliance.host, network.network_class, switch)
                if found is None:
                    where = f"/tenants/{place}/subscriptions/{entry.subscription}/plan"
                    on = f"switch {switch}, whose trunk it shares" if switch else f"host {appliance.host}"
                    detail = (
                        f"no VLAN of class {network.network_class.value} is left on {on}, for network "
                        f"{entry.network} of plan {entry.plan}; enter another VLAN pool"
                    )
                    findings.add(ProblemType.UNSUPPORTED, where, detail)
                    continue
                lease = VlanLease(
                    tenant=appliance.tenant,
                    plan=entry.plan,
                    network=entry.network,
                    host=appliance.host,
                    switch=found[0],
                    vlan=found[1],
                )
            leases.append(lease)
            if appliance.trunk:
                switch = lease.switch
    return tuple(leases)


def _macs(held: Allocation, needed: list[NeededAppliance]) -> tuple[MacLease, ...]:
    kept = {(lease.tenant, lease.host, lease.adapter): lease for lease in held.macs}
    wanted = [(a.tenant, a.host, adapter) for a in needed for adapter in a.adapters]
    taken = {kept[key].mac for key in wanted if key in kept}
    leases: list[MacLease] = []
    for key in wanted:
        lease = kept.get(key)
        if lease is None:
            mac = next(each for each in mac_candidates(*key) if each not in taken)
            taken.add(mac)
            lease = MacLease(tenant=key[0], host=key[1], adapter=key[2], mac=mac)
        leases.append(lease)
    return tuple(leases)


def _tunnels(inventory: Inventory, held: Allocation, findings: Findings) -> tuple[TunnelLease, ...]:
    kept: dict[TenantId, dict[NetworkId, int]] = {}
    for lease in held.tunnels:
        kept.setdefault(lease.tenant, {})[lease.network] = lease.slot
    return tuple(
        lease
        for place, tenant in enumerate(inventory.tenants)
        for lease in _tunnels_of(tenant, kept.get(tenant.id, {}), findings, f"/tenants/{place}")
    )


def _tunnels_of(
    tenant: Tenant, kept: Mapping[NetworkId, int], findings: Findings, pointer: str
) -> Iterator[TunnelLease]:
    """One slot for each network with a tunnel, whose inner addresses are nobody's in production."""
    wanted = [(n, network.id) for n, network in enumerate(tenant.networks) if network.tenant_end is not UNSET]
    taken = {kept[name] for _, name in wanted if name in kept}
    prefixes = [prefix for network in tenant.networks for prefix in network.prefixes]
    free = (
        slot
        for slot in range(SLOTS)
        if slot not in taken and not any(inside(prefixes, end) for ends in inner(slot) for end in ends)
    )
    for n, name in wanted:
        slot = kept[name] if name in kept else next(free, None)
        if slot is None:
            detail = (
                f"no inner addresses are left for the tunnel of {name}: production has 100.64.0.0/10 "
                "(RFC 6598) or fd43:6175:7365::/48; make its prefixes smaller"
            )
            findings.add(ProblemType.UNSUPPORTED, f"{pointer}/networks/{n}/tenant_end", detail)
            continue
        yield TunnelLease(tenant=tenant.id, network=name, slot=slot)


def _public(inventory: Inventory, held: Allocation, findings: Findings) -> tuple[PublicLease, ...]:
    """The addresses that the controller chooses; those that are named in the inventory are not among them."""
    tenants = {tenant.id: tenant for tenant in inventory.tenants}
    named = {
        address
        for tenant in inventory.tenants
        for address in (*tenant.public_addresses, *tenant.test_addresses)
    }
    kept: dict[tuple[TenantId, int], list[IPAddress]] = {}
    for lease in held.public:
        if lease.address not in named and lease.tenant in tenants:
            kept.setdefault((lease.tenant, lease.address.version), []).append(lease.address)
    wanted = [
        (place, tenant.id, version, count)
        for place, tenant in enumerate(inventory.tenants)
        for version, count in ((4, tenant.more_public_ipv4), (6, tenant.more_public_ipv6))
    ]
    for _, tenant, version, count in wanted:
        kept[tenant, version] = kept.get((tenant, version), [])[:count]
    gateways = {interface.ip for gateway in inventory.gateways for interface in gateway.public}
    taken = named | gateways | {address for addresses in kept.values() for address in addresses}
    free = {version: _free(inventory, version, taken) for version in (4, 6)}
    leases: list[PublicLease] = []
    for place, tenant, version, count in wanted:
        addresses = kept[tenant, version]
        addresses += itertools.islice(free[version], count - len(addresses))
        if len(addresses) < count:
            where = f"/tenants/{place}/more_public_ipv{version}"
            detail = f"the public pools have {len(addresses)} of {count} addresses; enter another pool"
            findings.add(ProblemType.UNSUPPORTED, where, detail)
        leases += (PublicLease(tenant=tenant, address=address) for address in addresses)
    return tuple(leases)


def _free(inventory: Inventory, version: int, taken: set[IPAddress]) -> Iterator[IPAddress]:
    """Addresses of the pools that nobody has, lowest first. `taken` may not grow meanwhile."""
    for pool in inventory.public_pools:
        if pool.first.version == version == pool.last.version:
            for offset in range(int(pool.last) - int(pool.first) + 1):
                address = pool.first + offset
                if address not in taken:
                    yield address
