"""Documents of large tenants, made of the ones a small lab has: many failed-over VMs, many networks."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from msgspec import structs

from causeway_lab.world.topology import Port, Topology
from causeway_wire.desired import (
    Desired,
    InnerAddresses,
    Nic,
    Partial,
    ProviderNetwork,
    ProviderRole,
    Replica,
    TenantRole,
)
from causeway_wire.types import IPAddress, MacAddress

_PREFIX = ipaddress.ip_network("172.20.0.0/16")
"""Of the VMs' IPv4 addresses; the lab's own network is too small for a thousand."""
_FIRST_PORT = 1301


def with_vms(document: Desired, count: int) -> Desired:
    """A partial failover of so many VMs of the appliance's (first) network, with both IP versions each."""
    role = document.role
    if isinstance(role, ProviderRole):
        network = role.networks[0]
        replicas = _replicas(network.id, count)
        hosts = tuple(address for replica in replicas for address in replica.addresses)
        network = structs.replace(network, prefixes=(*network.prefixes, _PREFIX), hosts=hosts)
        networks = (network, *role.networks[1:])
        failed = structs.replace(role, networks=networks, failover=Partial(replicas=replicas))
        return structs.replace(document, role=failed)
    assert isinstance(role, TenantRole)
    wider = structs.replace(role.network, prefixes=(*role.network.prefixes, _PREFIX))
    failover = Partial(replicas=_replicas(wider.id, count))
    return structs.replace(document, role=structs.replace(role, network=wider, failover=failover))


def with_adapters(topology: Topology, appliance: str, count: int) -> Topology:
    """The topology with so many more adapters on the appliance, each on a segment of its own."""
    machine = topology.machines[appliance]
    ports = tuple(Port(segment=_name(number), mac=_mac(number)) for number in range(count))
    wired = replace(machine, ports=(*machine.ports, *ports))
    return replace(topology, machines={**topology.machines, appliance: wired})


def with_networks(document: Desired, count: int) -> Desired:
    """A partial failover in so many networks of a provider appliance, its own first; one VM in each.

    The appliance has adapters by `with_adapters`.
    """
    role = document.role
    assert isinstance(role, ProviderRole)
    added = range(count - 1)
    own = role.networks[0]
    networks = (own, *(_network(own, number) for number in added))
    failed = (Replica(vm="vm", network=own.id, addresses=(own.prefixes[0][10],)), *map(_replica, added))
    role = structs.replace(role, networks=networks, failover=Partial(replicas=failed))
    return structs.replace(document, role=role, nics=(*document.nics, *map(_nic, added)))


def _replicas(network: str, count: int) -> tuple[Replica, ...]:
    return tuple(
        Replica(vm=f"vm-{number}", network=network, addresses=addresses(number)) for number in range(count)
    )


def addresses(number: int) -> tuple[IPAddress, ...]:
    """Of VM `number`, counted from 0."""
    low = ipaddress.ip_address("2001:db8:10::1000")
    return _PREFIX[256 * (number // 250) + 1 + number % 250], low + number


def _network(like: ProviderNetwork, number: int) -> ProviderNetwork:
    assert like.tunnel is not None
    ends = (ipaddress.ip_address(f"100.65.{number}.{end}") for end in (1, 2))
    inner = InnerAddresses(local=next(ends), peer=next(ends))
    tunnel = structs.replace(like.tunnel, id=_name(number), port=_FIRST_PORT + 2 * number, inner=(inner,))
    prefix = ipaddress.ip_network(f"172.21.{number}.0/24")
    return ProviderNetwork(id=_name(number), nic=_name(number), prefixes=(prefix,), tunnel=tunnel)


def _nic(number: int) -> Nic:
    address = ipaddress.ip_interface(f"172.21.{number}.251/24")
    return Nic(name=_name(number), mac=_mac(number), addresses=(address,))


def _replica(number: int) -> Replica:
    address = ipaddress.ip_address(f"172.21.{number}.10")
    return Replica(vm=f"vm-{number}", network=_name(number), addresses=(address,))


def _name(number: int) -> str:
    return f"more{number}"


def _mac(number: int) -> MacAddress:
    return f"02:ca:06:00:00:{number:02x}"
