"""One tenant on one host, out of the provider's inventory: what the pure rooms of failover work on.

Pure. Production networks that a subscription on the host carries, replicas that live there, the appliance
with its vNICs or its trunk. Nothing of other tenants is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET, structs

from causeway_controller.contract import provider as provided
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import NetworkClass
from causeway_controller.contract.tenant import FailoverPlan, Hooks, Static
from causeway_controller.contract.tenant import Tenant as TenantEntry
from causeway_controller.inventory import appliances, book, replicas, start_order, vnics
from causeway_controller.inventory.allocation import NOTHING, TRUNK, UPLINK, Allocation
from causeway_controller.inventory.appliances import NeededAppliance
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.modes import Mode
from causeway_controller.inventory.replicas import Told
from causeway_controller.inventory.tenancy import (
    STARTED_TOGETHER,
    Adapter,
    Gateway,
    GatewayCredentials,
    ManagementAccess,
    Network,
    ProviderAppliance,
    Revocation,
    Site,
    Tenant,
    TenantAppliance,
    TenantCredentials,
    Vm,
)
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import IPNetwork, MacAddress, Name, NetworkId, TenantId, VlanId, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known besides the inventory: it was made, learnt or decided later."""

    controllers: tuple[IPNetwork, ...]
    """Where the controllers' connections come from; appliances listen for nobody else."""
    gateway_credentials: GatewayCredentials
    credentials: TenantCredentials | None = None
    """None until the tenant's VPN authority has been made."""
    mode: Mode | None = None
    publications: tuple[PublicRule, ...] | None = None
    """Rules that took the place of the plan's."""
    ends: Mapping[NetworkId, TenantAppliance] = field(default_factory=dict)
    """The tenant's appliances, where this controller may command them."""
    revoked: tuple[Revocation, ...] = ()
    replicas: Mapping[VmName, Told] = field(default_factory=dict)
    """What was told of the tenant's replicas."""


def tenancy(
    inventory: Inventory, given: Allocation, tenant: TenantId, host: Name, *, known: Known, plan: Name = ""
) -> Site:
    """Return the tenant on the host as a site of its own, with the gateways that its tunnels use.

    `plan` names the failover plan whose order and rules count; without it the tenant's first. Raises
    ProblemError: `not-found` when the tenant has nothing there, `unsupported` where its address is not known.
    """
    names = book.index(inventory)
    needed = appliances.of_tenant_on(names, tenant, host)
    entry = names.tenants[tenant]
    view = _View(entry, needed, names, given, known)
    return Site(
        tenants={tenant: view.tenant(_plan(entry, plan))},
        gateways=tuple(_gateways(entry, names, known)),
        credentials={} if known.credentials is None else {tenant: known.credentials},
        gateway_credentials=known.gateway_credentials,
        modes={} if known.mode is None else {tenant: known.mode},
        revoked=known.revoked,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnelled:
    """A tenant on one of its hosts, whose tunnels a pool of gateways carries."""

    key: str
    """Different for each; of the first host it is the tenant's name."""
    tenant: Tenant


def of_pool(inventory: Inventory, given: Allocation, pool: Name) -> Iterator[Tunnelled]:
    """Return the tenants of a gateway pool, once for each host on which the way to them is known."""
    leases = _by_tenant(given)
    bare = Known(controllers=(), gateway_credentials=GatewayCredentials(ca="", certificates={}))
    for entry in inventory.tenants:
        if entry.gateway_pool != pool:
            continue
        # Looked at alone: the tables of all tenants need not be made for each of them.
        own, lease = structs.replace(inventory, tenants=(entry,)), leases.get(entry.id, NOTHING)
        for number, needed in enumerate(appliances.of_tenant(entry, book.index(own))):
            try:
                site = tenancy(own, lease, entry.id, needed.host, known=bare)
            except ProblemError:
                continue  # its appliance's address is not known
            key = entry.id if number == 0 else f"{entry.id} on {needed.host}"
            yield Tunnelled(key=key, tenant=site.tenants[entry.id])


def _by_tenant(given: Allocation) -> Mapping[TenantId, Allocation]:
    found: dict[TenantId, dict[str, list[Any]]] = {}
    for member in ("vlans", "macs", "tunnels", "public"):
        for lease in getattr(given, member):
            found.setdefault(lease.tenant, {}).setdefault(member, []).append(lease)
    return {
        tenant: Allocation(**{member: tuple(leases) for member, leases in members.items()})
        for tenant, members in found.items()
    }


def _plan(entry: TenantEntry, name: Name) -> FailoverPlan | None:
    if not name:
        return next(iter(entry.failover_plans), None)
    found = next((plan for plan in entry.failover_plans if plan.id == name), None)
    if found is None:
        there = ", ".join(plan.id for plan in entry.failover_plans) or "none"
        detail = f"tenant {entry.id} has no failover plan {name}; there is {there}"
        raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
    return found


class _View:
    """What is looked at for one tenant's appliance on one host."""

    def __init__(
        self, entry: TenantEntry, needed: NeededAppliance, names: Book, given: Allocation, known: Known
    ) -> None:
        self._entry = entry
        self._needed = needed
        self._names = names
        self._given = given
        self._known = known
        self._carried = {
            (plan.id, each.plan_network): each
            for _, subscription, plan in names.subscribed(entry)
            if plan.host == needed.host
            for each in subscription.networks
        }
        """By plan and its network: which production network it stands for."""

    def tenant(self, plan: FailoverPlan | None) -> Tenant:
        entry, known = self._entry, self._known
        networks = dict(self._networks())
        vms = {
            vm.name: Vm(
                name=vm.name,
                network=vm.network,
                addresses=vm.addresses,
                macs=vm.macs,
                restored_to=replicas.restored_to(vm, known.replicas.get(vm.name)),
            )
            for vm in entry.vms
            if vm.replica is not UNSET and vm.replica.host == self._needed.host and vm.network in networks
        }
        rules = known.publications
        if rules is None:
            rules = () if plan is None else plan.rules
        here = {address for vm in vms.values() for address in vm.addresses}
        chosen = (lease.address for lease in self._given.public if lease.tenant == entry.id)
        return Tenant(
            id=entry.id,
            networks=networks,
            provider=self._appliance(),
            appliances={name: end for name, end in known.ends.items() if name in networks},
            vms=vms,
            plan_name="" if plan is None else plan.id,
            plan=() if plan is None else start_order.planned(plan, vms),
            parallel=STARTED_TOGETHER if plan is None else plan.parallel,
            unreplicated=() if plan is None else self._unreplicated(plan),
            hooks=Hooks() if plan is None else plan.hooks,
            routed=() if plan is None else tuple(name for name in plan.routed if name in networks),
            public_addresses=(*entry.public_addresses, *chosen),
            test_addresses=entry.test_addresses,
            publications=tuple(rule for rule in rules if rule.internal_address in here),
        )

    def _unreplicated(self, plan: FailoverPlan) -> tuple[VmName, ...]:
        without = {vm.name for vm in self._entry.vms if vm.replica is UNSET}
        return tuple(entry.vm for entry in plan.entries if entry.vm in without)

    def _networks(self) -> Iterator[tuple[NetworkId, Network]]:
        owned = book.networks(self._entry)
        leases = {lease.network: lease for lease in self._given.tunnels if lease.tenant == self._entry.id}
        for (plan, plan_network), each in self._carried.items():
            network, lease = owned[each.network], leases.get(each.network)
            offered = book.plan_networks(self._names.plans[plan])[plan_network]
            end = network.tenant_end
            made = Network(
                id=network.id,
                prefixes=network.prefixes,
                gateways=network.gateways,
                tunnel=network.id if end is UNSET else end.tunnel,
                inner=() if lease is None else lease.inner,
                port=0 if lease is None else lease.port,
                internet=offered.network_class is NetworkClass.INTERNET,
                extension=each.extension,
            )
            yield network.id, made

    def _appliance(self) -> ProviderAppliance:
        macs = self._given.macs_on(self._entry.id, self._needed.host)
        uplink, trunk = self._uplink(macs[UPLINK]), macs.get(TRUNK) if self._needed.trunk else None
        adapters = {
            place: Adapter(
                name=title,
                mac=macs["/".join(place)] if trunk is None else trunk,
                addresses=self._carried[place].appliance_addresses if place in self._carried else (),
                vlan=None if trunk is None else vlan,
            )
            for place, title, vlan in self._titled()
        }
        return ProviderAppliance(
            id=self._needed.id,
            management=ManagementAccess(
                nic=UPLINK, address=uplink.addresses[0].ip, sources=self._known.controllers
            ),
            uplink=uplink,
            vlans={each.network: adapters[place] for place, each in self._carried.items()},
            trunk=None if trunk is None else Adapter(name=TRUNK, mac=trunk),
            spare=tuple(adapter for place, adapter in adapters.items() if place not in self._carried),
            denied=_insides(self._names),
        )

    def _uplink(self, mac: MacAddress) -> Adapter:
        address = self._needed.uplink.address
        if isinstance(address, Static):
            return Adapter(name=UPLINK, mac=mac, addresses=address.addresses, gateways=address.gateways)
        # Entered before that was refused.
        detail = f"the address of appliance {self._needed.id} is not known; enter it as static"
        raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))

    def _titled(self) -> Iterator[tuple[tuple[Name, NetworkId], Name, VlanId]]:
        """Each network's place and VLAN, and the name of its adapter after it: a number that a second switch
        has as well is told apart.
        """
        leases = self._given.vlans_on(self._entry.id, self._needed.host)
        counted: Counter[VlanId] = Counter()
        for each in self._needed.networks:
            vlan = leases[each.plan, each.network].vlan
            counted[vlan] += 1
            again = f"-{counted[vlan]}" if counted[vlan] > 1 else ""
            yield (each.plan, each.network), f"vlan{vlan}{again}", vlan


def _insides(names: Book) -> tuple[IPNetwork, ...]:
    """The provider's own networks that the inventory tells: those between gateways and appliances."""
    found = {interface.network for gateway in names.gateways.values() for interface in gateway.inside}
    return tuple(sorted(found, key=lambda network: (network.version, str(network))))


def _gateways(entry: TenantEntry, names: Book, known: Known) -> Iterator[Gateway]:
    """Those of the tenant's pool, in its order."""
    if entry.gateway_pool is not UNSET:
        pool = names.gateway_pools[entry.gateway_pool]
        for name in pool.gateways:
            yield gateway(names.gateways[name], pool, known.controllers)


def gateway(
    entry: provided.Gateway, pool: provided.GatewayPool, controllers: tuple[IPNetwork, ...]
) -> Gateway:
    """Return a cloud gateway of a pool, with the vNICs that it has by its name."""
    public, inside = vnics.of_gateway(entry)
    return Gateway(
        id=entry.id,
        management=ManagementAccess(nic=inside.adapter, address=entry.inside[0].ip, sources=controllers),
        public=Adapter(name=public.adapter, mac=public.mac, addresses=entry.public, gateways=entry.gateways),
        inside=Adapter(name=inside.adapter, mac=inside.mac, addresses=entry.inside),
        name=pool.name,
        port=pool.port,
    )
