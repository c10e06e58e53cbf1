"""A provider's store with many tenants that may join."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Final

from benchmarks.joined_sites import HOST, NETWORK, VMS, appliance, names, now
from causeway_controller.api.ports import Peering
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.joining import Invitation
from causeway_controller.contract.provider import Gateway
from causeway_controller.contract.tenant import ProtectedVm, ReplicaVm, Static, Tenant, Uplink
from causeway_controller.inventory import certificates
from causeway_controller.store import authorities, migrate
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database, connect
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.tunnels import end_names
from causeway_controller.trust import pki
from causeway_wire.types import TenantId
from tests import joining, provider_inventory

_INSIDE: Final = ip_network("10.0.0.0/16")
_FIRST: Final = 1024
"""Of the uplinks' addresses; those below are the provider's own."""


def inventory(count: int) -> Inventory:
    """So many tenants with a network and two VMs each, on one host."""
    seed = provider_inventory
    gateway = Gateway(
        id="gw1",
        host=HOST,
        public=(ip_interface("198.51.100.2/24"),),
        inside=(ip_interface(f"{_INSIDE[2]}/{_INSIDE.prefixlen}"),),
    )
    return seed.seed_example(
        gateways=(gateway,),
        vlan_pools=(seed.vlan_pool("net", 2, 4000),),
        hardware_plans=(seed.plan("small", 1),),
        tenants=tuple(_tenant(name, number) for number, name in enumerate(names(count))),
    )


def _tenant(name: TenantId, number: int) -> Tenant:
    seed = provider_inventory
    address = ip_interface(f"{_INSIDE[_FIRST + number]}/{_INSIDE.prefixlen}")
    at = Uplink(network="network-3", address=Static(addresses=(address,), gateways=(_INSIDE[1],)))
    return seed.tenant(
        name,
        public_addresses=(),
        networks=(seed.network(NETWORK),),
        subscriptions=(seed.subscription("small", NETWORK, at=at),),
        vms=tuple(_vm(vm, 11 + place, name) for place, vm in enumerate(VMS)),
        failover_plans=(),
    )


def _vm(name: str, last: int, tenant: TenantId) -> ProtectedVm:
    address = ip_address(f"192.168.10.{last}")
    replica = ReplicaVm(host=HOST, vm_id=f"{tenant}/{name}")
    return ProtectedVm(name=name, network=NETWORK, addresses=(address,), replica=replica)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A provider's store, before anybody joined."""

    database: Database
    peering: Peering
    invitations: tuple[Invitation, ...]


def prepared(url: str, count: int, *, port: int) -> Prepared:
    """Enter so many tenants in an empty store, with their servers' certificates, and invite each of them.

    `port`: of loopback, where they are served.
    """
    database = connect(url)
    migrate.upgrade(database)
    Inventories(database, now=now).replace(inventory(count), expected=0, actor="bench")
    sealing = joining.unlocked(database, now=now)
    kept = Authorities(database, sealing, now=now)
    made = joining.peering(database, sealing, now=now, url=f"https://127.0.0.1:{port}")
    _certify(kept, names(count))
    return Prepared(
        database=database,
        peering=made,
        invitations=tuple(joining.invited(made, tenant) for tenant in names(count)),
    )


def _certify(kept: Authorities, tenants: Iterable[TenantId]) -> None:
    """The servers of all tunnels, each for a key that its appliance would have."""
    request = pki.read_request(pki.make_request(pki.make_key()))
    for tenant in tenants:
        name = authorities.vpn(tenant)
        kept.establish(name, actor="bench")
        _, server = end_names(tenant, NETWORK)
        subject = certificates.of_server(tenant, f"{NETWORK}-tunnel", server, appliance=appliance(tenant))
        issuer = kept.issuer(name, subject, actor="bench")
        pki.issue_vpn(issuer, request, common_name=server, usage=pki.Usage.SERVER, now=now())
