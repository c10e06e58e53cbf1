"""Nothing of a document may capture the controllers' way: neither what they ask, nor the answers to them.

An address that the appliance takes, or a host route in the main table, captures whoever has that address: the
default gateway, a controller. A network on-link at another adapter captures the answers to controllers in it.
Management may well share the production network: what only could be a controller, because its prefix may
connect, is no reason to refuse a VM there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.model.checks import Findings, host
from causeway_agent.plan.model.prefixes import Prefixes
from causeway_wire import address_kinds
from causeway_wire.desired import (
    Desired,
    GatewayRole,
    Management,
    Partial,
    ProviderRole,
    TenantRole,
    TunnelClient,
    TunnelServer,
)
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, IPNetwork, NicName


class Way:
    """The controllers' way to the agent: whose capture would cut it."""

    def __init__(self, desired: Desired, adapters: Mapping[NicName, Adapter]) -> None:
        management = desired.management
        adapter = adapters.get(management.nic)
        self.address = management.address
        self.sources = [each for each in management.sources if each.version == management.address.version]
        self._gateways = frozenset(gateway for each in adapters.values() for gateway in each.gateways)
        self._hosts = frozenset(each for each in self.sources if each.prefixlen == each.max_prefixlen)
        self.networks: Prefixes[NicName] = Prefixes(
            (network, management.nic) for network in (adapter.networks if adapter is not None else ())
        )
        # Whoever lets everybody connect names no controller with that.
        self._named = Prefixes((each, each) for each in self.sources if each.prefixlen)

    def captured_by(self, address: IPAddress) -> str | None:
        """What would be captured by a host route to this address, or by taking it."""
        if address == self.address:
            return "the management address"
        if address in self._gateways:
            return "the appliance's default gateway, which controllers may be behind"
        return "a controller's address" if host(address) in self._hosts else None

    def met_by(self, address: IPAddress) -> str | None:
        """The same for an address that can be chosen freely: it stays clear of all that is management's."""
        if (why := self.captured_by(address)) is not None:
            return why
        if self.networks.around(address) is not None:
            return "in the network of the management adapter"
        source = self._named.around(address)
        return None if source is None else f"among the controllers' addresses ({source})"


def check(desired: Desired, adapters: Mapping[NicName, Adapter], findings: Findings) -> None:
    """Note whatever captures the controllers' way, by the member that does."""
    way = Way(desired, adapters)
    for pointer, why in (*_addresses(desired, way), *_networks(desired, adapters, way)):
        detail = f"{why}; controllers would not reach the agent any more, so choose another one"
        findings.add(ProblemType.CUTS_MANAGEMENT, pointer, detail)


def check_sources(management: Management, adapter: Adapter | None, findings: Findings) -> None:
    """Note prefixes that nobody's packets come from, and when no controller is left that could connect."""
    able = False
    for index, source in enumerate(management.sources):
        if (why := _nobody(source, adapter)) is not None:
            detail = f"{source} is {why}, so that no controller can be there; name the controllers' prefixes"
            findings.add(ProblemType.INVALID, f"/management/sources/{index}", detail)
        elif source.version == management.address.version:
            able = True
    if not able:
        detail = f"no source may reach {management.address}; name the controllers' prefixes"
        findings.add(ProblemType.CUTS_MANAGEMENT, "/management/sources", detail)


def _nobody(source: IPNetwork, adapter: Adapter | None) -> str | None:
    """Why no controller is in this prefix; None when one can be."""
    if (why := address_kinds.no_sender(source)) is not None:
        return why
    if adapter is None or source.prefixlen < source.max_prefixlen:
        return None
    if source.network_address in adapter.own:
        return "the appliance's own address"
    if address_kinds.names_network(adapter.networks, source.network_address):
        return f"the network or broadcast address of adapter {adapter.nic.name}'s network"
    return None


def _addresses(desired: Desired, way: Way) -> Iterator[tuple[str, str]]:
    """Addresses that the appliance takes or leads elsewhere."""
    match desired.role:
        case TenantRole() as role:
            yield from _ends(role.tunnel, "/role/tunnel/inner", way)
            replicas = role.failover.replicas if isinstance(role.failover, Partial) else ()
            for i, replica in enumerate(replicas):
                yield from _each(replica.addresses, f"/role/failover/replicas/{i}/addresses", way)
        case ProviderRole() as role:
            for i, network in enumerate(role.networks):
                yield from _ends(network.tunnel, f"/role/networks/{i}/tunnel/inner", way)
                yield from _each(network.gateways, f"/role/networks/{i}/gateways", way)
            yield from _each(role.public_addresses, "/role/public_addresses", way)
            yield from _each(role.test_addresses, "/role/test_addresses", way)
        case GatewayRole():
            pass  # takes no address but its adapters'


def _ends(tunnel: TunnelServer | TunnelClient | None, pointer: str, way: Way) -> Iterator[tuple[str, str]]:
    for k, pair in enumerate(tunnel.inner if tunnel is not None else ()):
        for end, address in (("local", pair.local), ("peer", pair.peer)):
            if (why := way.met_by(address)) is not None:
                yield f"{pointer}/{k}/{end}", f"tunnel end {address} is {why}"


def _each(addresses: Iterable[IPAddress], pointer: str, way: Way) -> Iterator[tuple[str, str]]:
    """What is wrong with addresses that are given. The management address itself has checks of its own: as an
    address of the appliance it is no VM's and no gateway's, but may be published.
    """
    for k, address in enumerate(addresses):
        why = way.captured_by(address)
        if why is not None and address != way.address:
            yield f"{pointer}/{k}", f"{address} is {why}"


def _networks(desired: Desired, adapters: Mapping[NicName, Adapter], way: Way) -> Iterator[tuple[str, str]]:
    """Networks that take the answers to controllers. A production prefix does not: its routes are in tables
    of its own, and the management door stands before what forged sources on the uplink are held against.
    """
    role, management = desired.role, desired.management
    networks = role.networks if isinstance(role, ProviderRole) else ()
    # A VLAN's networks are in no table that the agent's answers ask.
    aside = {management.nic, *(network.nic for network in networks)}
    on_link = Prefixes(
        (network, (f"{each.pointer}/addresses/{k}", f"asked for on adapter {each.nic.name}"))
        for name, each in adapters.items()
        if name not in aside
        for k, network in enumerate(each.networks)
    )
    for source in way.sources:
        if way.networks.containing(source) is None:
            found = on_link.containing(source)
            if found is not None:
                yield found[0], f"the controllers of {source} are {found[1]}"
