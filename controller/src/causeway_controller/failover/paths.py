"""Which places a packet of a tenant meets, by the inventory and the failover mode alone. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from causeway_controller.inventory.modes import Idle, Mode, Partial
from causeway_controller.inventory.tenancy import Network, Tenant, Vm
from causeway_wire.types import IPAddress, Name, NetworkId


class Place(enum.Enum):
    """Where an address is now."""

    REPLICA = "replica"
    """At the provider: a VM that is failed over."""
    PRODUCTION = "production"
    PUBLIC = "public"
    """One of the tenant's public addresses."""
    ELSEWHERE = "elsewhere"
    """None that the inventory knows of the tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of the packet's way."""

    address: IPAddress
    place: Place
    network: NetworkId | None = None
    vm: Vm | None = None

    def __str__(self) -> str:
        return str(self.address) if self.vm is None else f"{self.vm.name} ({self.address})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What the packet meets."""

    source: End
    destination: End
    decided: str = ""
    """Why no appliance decides anything; empty where one does."""
    advice: str = ""
    crosses: NetworkId | None = None
    """The network whose tunnel it goes through."""


def concerns(tenant: Tenant, address: IPAddress) -> bool:
    """Whether the address is one of the tenant's."""
    return _end(tenant, Idle(), address).place is not Place.ELSEWHERE


def path(tenant: Tenant, mode: Mode, source: IPAddress, destination: IPAddress, *, host: Name) -> Path:
    """Return what a packet from one address to the other meets now, where the tenant is in this mode."""
    ends = _end(tenant, mode, source), _end(tenant, mode, destination)
    decided, advice = _decided(tenant, mode, *ends, host=host)
    return Path(
        source=ends[0],
        destination=ends[1],
        decided=decided,
        advice=advice,
        crosses=None if decided else _crosses(mode, *ends),
    )


def _end(tenant: Tenant, mode: Mode, address: IPAddress) -> End:
    if address in (*tenant.public_addresses, *tenant.test_addresses):
        return End(address=address, place=Place.PUBLIC)
    vm = next((one for one in tenant.vms.values() if address in one.addresses), None)
    network = vm.network if vm is not None else _network(tenant, address)
    if vm is not None and vm.name in mode.vms:
        return End(address=address, place=Place.REPLICA, network=network, vm=vm)
    place = Place.ELSEWHERE if network is None else Place.PRODUCTION
    return End(address=address, place=place, network=network, vm=vm)


def _network(tenant: Tenant, address: IPAddress) -> NetworkId | None:
    found = (one.id for one in tenant.networks.values() if _inside(one, address))
    return next(found, None)


def _inside(network: Network, address: IPAddress) -> bool:
    return any(prefix.version == address.version and address in prefix for prefix in network.prefixes)


def _decided(tenant: Tenant, mode: Mode, source: End, destination: End, *, host: Name) -> tuple[str, str]:
    if source.address.version != destination.address.version:
        return "an IPv4 and an IPv6 address never talk to each other", "name two of one version"
    places = {source.place, destination.place}
    if isinstance(mode, Idle):
        return (
            f"nothing of {tenant.id} is failed over here, so production itself carries it, and no appliance",
            f"if it should be at the provider, {_begun(tenant, host, destination, source)}",
        )
    if places == {Place.REPLICA} and source.network == destination.network:
        return (
            f"both replicas are on the VLAN of network {source.network}, where no appliance is between them",
            "look at the guests' own firewalls, and at the port group of the host",
        )
    if places <= {Place.PRODUCTION, Place.ELSEWHERE} and isinstance(mode, Partial):
        return (
            f"neither end is failed over, so production itself carries it; failed over are {_names(mode)}",
            f"to bring one to the provider, {_begun(tenant, host, destination, source)}",
        )
    return "", ""


def _begun(tenant: Tenant, host: Name, *ends: End) -> str:
    """How a partial failover of the first VM of these is begun: at a provider's, by asking who leads it."""
    vm = next((end.vm.name for end in ends if end.vm is not None), "VM")
    if tenant.appliances:
        return f"`causeway failover partial {tenant.id} {vm} --host {host}`"
    asked = f"`causeway failover ask {tenant.id} {vm} --host {host} --reason WHY`"
    return f"{asked} asks the tenant's controller, which leads it"


def _crosses(mode: Mode, source: End, destination: End) -> NetworkId | None:
    if not isinstance(mode, Partial):
        return None
    replica = source if source.place is Place.REPLICA else destination
    return replica.network


def _names(mode: Mode) -> str:
    return ", ".join(sorted(mode.vms)) or "none"
