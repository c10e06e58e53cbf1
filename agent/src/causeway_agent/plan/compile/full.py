"""Full failover and its rehearsal: the provider appliance is the gateway of the networks that it takes over.

The production gateways' addresses are claimed on the VLANs, the public addresses on the uplink. One routing
table knows the networks; it is chosen by the device a packet enters, or by an address of ours in them, and
nothing of production is in the main table: not even a network that production shares with the controllers
could take their answers. What that table does not know falls through to the uplink's default route.

No tunnel takes part: production is gone, or, in a rehearsal, must not notice.
"""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from typing import Final

from causeway_agent.plan.compile import adapters as nics
from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.compile.contribution import Contribution, Surroundings
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.checks import host
from causeway_agent.plan.model.objects import PRIORITY_DEVICE, PRIORITY_SOURCE, Address, Route, Rule, Sysctl
from causeway_agent.plan.model.policy import Echo, Forward, Internet, Policy, SourceGuard, Way
from causeway_agent.plan.model.processes import Process, RouterAdvertiser
from causeway_wire.desired import (
    Full,
    FullNetwork,
    ProviderNetwork,
    ProviderRole,
    Rehearsal,
    RouterAdvertisements,
)
from causeway_wire.types import IPAddress, IPInterface, IPNetwork

TABLE: Final = 1000
"""Routing table of full failover; tunnels' tables are their ports, which are larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A network that is taken over."""

    network: ProviderNetwork
    adapter: Adapter
    internet: bool
    routed: bool
    advertisements: RouterAdvertisements

    @property
    def device(self) -> str:
        """Device of its VLAN."""
        return self.adapter.device

    @property
    def versions(self) -> frozenset[int]:
        """IP versions of its prefixes."""
        return frozenset(prefix.version for prefix in self.network.prefixes)

    @property
    def held(self) -> frozenset[IPAddress]:
        """The appliance's addresses in it: its own and the gateways that it takes over."""
        return self.adapter.own | frozenset(self.network.gateways)


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """All that the mode takes over. Compiles to what it adds."""

    uplink: Adapter
    segments: tuple[Segment, ...]
    owned: frozenset[IPAddress]
    production: tuple[IPNetwork, ...]
    """Prefixes of all networks of the document, failed over or not."""
    denied: tuple[IPNetwork, ...]
    by_rules: bool
    """Whether a replica's connections leave with the public address that a rule gives it."""

    @property
    def versions(self) -> frozenset[int]:
        """IP versions that are forwarded."""
        return frozenset[int]().union(*(segment.versions for segment in self.segments))

    @property
    def borrowed(self) -> frozenset[IPAddress]:
        """Owned addresses that are not the uplink's own at all times."""
        return self.owned - self.uplink.own


def compile_takeover(
    role: ProviderRole, failover: Full | Rehearsal, around: Surroundings, uplink: Adapter
) -> Contribution:
    """What full failover or a rehearsal adds; the role has been checked."""
    takeover = _takeover(role, failover, around, uplink)
    vlans = frozenset(network.nic for network in role.networks)
    return Contribution(
        addresses=_addresses(takeover, around, vlans),
        routes=frozenset(
            Route(prefix, segment.device, TABLE)
            for segment in takeover.segments
            for prefix in segment.network.prefixes
        ),
        rules=_rules(takeover),
        sysctls=_settings(takeover, around),
        policy=_policy(takeover, frozenset(around.adapters[name].device for name in vlans)),
        processes=_advertisers(takeover),
    )


def _advertisements(entry: FullNetwork) -> RouterAdvertisements:
    said = entry.router_advertisements
    return said if isinstance(said, RouterAdvertisements) else RouterAdvertisements()


def _advertisers(takeover: Takeover) -> frozenset[Process]:
    """For each network with an IPv6 gateway, unless the document says otherwise."""
    return frozenset(
        RouterAdvertiser(
            device=segment.device,
            prefixes=tuple(prefix for prefix in segment.network.prefixes if prefix.version == checks.IPV6),
            mtu=segment.adapter.nic.mtu,
            lifetime=segment.advertisements.lifetime,
            managed=segment.advertisements.managed,
            other=segment.advertisements.other,
            autonomous=segment.advertisements.autonomous,
        )
        for segment in takeover.segments
        if segment.advertisements.send
        and any(gateway.version == checks.IPV6 for gateway in segment.network.gateways)
    )


def _takeover(
    role: ProviderRole, failover: Full | Rehearsal, around: Surroundings, uplink: Adapter
) -> Takeover:
    networks = {network.id: network for network in role.networks}
    real = isinstance(failover, Full)
    anyone = isinstance(failover, Full) or failover.internet
    routed = frozenset(failover.routed)
    return Takeover(
        uplink=uplink,
        segments=tuple(
            Segment(
                network=networks[entry.network],
                adapter=around.adapters[networks[entry.network].nic],
                internet=entry.internet and anyone,
                routed=entry.network in routed,
                advertisements=_advertisements(entry),
            )
            for entry in failover.networks
        ),
        owned=frozenset(role.public_addresses if real else role.test_addresses),
        production=tuple(prefix for network in role.networks for prefix in network.prefixes),
        denied=(*role.denied, *uplink.networks),
        by_rules=real,
    )


def _addresses(takeover: Takeover, around: Surroundings, vlans: frozenset[str]) -> frozenset[Address]:
    adapters = (each.addresses(prefix_route=each.nic.name not in vlans) for each in around.adapters.values())
    gateways = {
        Address(segment.device, _within(segment.network, gateway), prefix_route=False, claimed=True)
        for segment in takeover.segments
        for gateway in segment.network.gateways
    }
    public = {
        Address(takeover.uplink.device, ipaddress.ip_interface(address), prefix_route=False, claimed=True)
        for address in takeover.borrowed
    }
    return frozenset(gateways | public).union(*adapters)


def _within(network: ProviderNetwork, gateway: IPAddress) -> IPInterface:
    """The gateway with the length of its prefix."""
    prefix = next(prefix for prefix in network.prefixes if checks.contains(prefix, gateway))
    return ipaddress.ip_interface(f"{gateway}/{prefix.prefixlen}")


def _rules(takeover: Takeover) -> frozenset[Rule]:
    """By device for what is forwarded, by source for what the appliance itself answers.

    Not from the uplink's own addresses: what the appliance says to its controllers never leaves by a VLAN.
    """
    own = {address for segment in takeover.segments for address in segment.held} | takeover.borrowed
    devices = {takeover.uplink.device, *(segment.device for segment in takeover.segments)}
    by_device = {
        Rule(version, PRIORITY_DEVICE, TABLE, input_device=device)
        for version in takeover.versions
        for device in devices
    }
    by_source = {Rule(address.version, PRIORITY_SOURCE, TABLE, source=address) for address in own}
    return frozenset(by_device | by_source)


def _settings(takeover: Takeover, around: Surroundings) -> frozenset[Sysctl]:
    forwarding = {takeover.uplink.device, *(segment.device for segment in takeover.segments)}
    adapters = (
        nics.settings(each.device, forwarding=each.device in forwarding) for each in around.adapters.values()
    )
    return nics.machine_settings(forwarding6=checks.IPV6 in takeover.versions).union(*adapters)


def _policy(takeover: Takeover, vlans: frozenset[str]) -> Policy:
    """VLANs that are not taken over stay guarded and silent."""
    uplink = takeover.uplink.device
    networks = frozenset(
        SourceGuard(segment.device, prefix)
        for segment in takeover.segments
        for prefix in segment.network.prefixes
    )
    return Policy(
        echoes=_echoes(takeover),
        guarded=vlans,
        sources=networks,
        segments=networks,
        neighbours=networks,
        forwards=_forwards(takeover),
        owned=takeover.owned,
        ways=_ways(takeover) if takeover.owned else frozenset(),
        internet=frozenset(
            Internet(segment.device, uplink, version, takeover.by_rules)
            for segment in takeover.segments
            if segment.internet
            for version in segment.versions
        ),
        denied=frozenset(SourceGuard(uplink, network) for network in takeover.denied),
        foreign=frozenset(
            SourceGuard(uplink, network)
            for network in (*takeover.production, *(host(address) for address in takeover.owned))
        ),
    )


def _echoes(takeover: Takeover) -> frozenset[Echo]:
    """Gateways and public addresses answer; a gateway to other networks too where they are routed."""
    own = {Echo(segment.device, address) for segment in takeover.segments for address in segment.held}
    routed = [segment for segment in takeover.segments if segment.routed]
    across = {
        Echo(one.device, gateway)
        for one, other in itertools.permutations(routed, 2)
        for gateway in other.network.gateways
    }
    public = {Echo(takeover.uplink.device, address) for address in takeover.owned}
    hairpin = {
        Echo(segment.device, address) for segment in takeover.segments for address in takeover.borrowed
    }
    return frozenset(own | across | public | hairpin)


def _forwards(takeover: Takeover) -> frozenset[Forward]:
    """Between routed networks everything passes, both ways."""
    routed = [segment for segment in takeover.segments if segment.routed]
    return frozenset(
        Forward(one.device, other.device, version=version)
        for one, other in itertools.permutations(routed, 2)
        for version in one.versions & other.versions
    )


def _ways(takeover: Takeover) -> frozenset[Way]:
    """A published service is there for the internet and for every network that is taken over, its own too."""
    inside = [segment.device for segment in takeover.segments]
    uplink = takeover.uplink.device
    across = {Way(one, other) for one, other in itertools.product(inside, inside)}
    return frozenset(across | {Way(uplink, device) for device in inside} | {Way(d, uplink) for d in inside})
