"""What one public rule must be, on the ground that the document in force prepares.

A rule may be put before the failover that it is for: it is measured against the tenant's allocation and
networks, not against what runs now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from causeway_agent.plan.compile import openvpn_config
from causeway_agent.plan.filter.public_elements import Entry
from causeway_agent.plan.model.checks import Findings
from causeway_wire.address_kinds import names_network
from causeway_wire.desired import Desired, Management, Nic, ProviderRole, Vlan
from causeway_wire.observed import Transport
from causeway_wire.problem import ProblemType
from causeway_wire.public_rules import NEVER_PUBLISHED, PublicRule
from causeway_wire.types import IPAddress, IPNetwork

SSH_PORT: Final = NEVER_PUBLISHED
_CLOSED: Final = {SSH_PORT: "SSH's"}
_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class _Network:
    """A production network: whose addresses may be published, and those that may not."""

    name: str
    prefixes: tuple[tuple[int, int, int], ...]
    """IP version, first and last address as numbers."""
    taken: Mapping[bytes, str]
    whole: tuple[IPNetwork, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What rules are measured against. Addresses are packed: comparing octets is what makes 100,000 fast."""

    allocation: frozenset[bytes]
    """The tenant's public addresses."""
    offered: frozenset[bytes]
    """Those and the test addresses of a rehearsal."""
    closed: Mapping[bytes, Mapping[int, str]]
    """Ports never published, with their owner, on addresses that have more of them than `_CLOSED`."""
    networks: tuple[_Network, ...]
    _known: dict[bytes, tuple[ProblemType, str] | None] = field(default_factory=dict, compare=False)
    """Verdicts about internal addresses; many rules share few of them."""

    def objection(self, internal: bytes) -> tuple[ProblemType, str] | None:
        """Why this address cannot be the target of a rule."""
        try:
            return self._known[internal]
        except KeyError:
            found = self._known[internal] = self._objection(internal)
            return found

    def _objection(self, internal: bytes) -> tuple[ProblemType, str] | None:
        number, version = int.from_bytes(internal, "big"), 4 if len(internal) == 4 else 6  # noqa: PLR2004
        for network in self.networks:
            if any(v == version and first <= number <= last for v, first, last in network.prefixes):
                if names_network(network.whole, ip_address(internal)):
                    return ProblemType.INVALID, f"stands for network {network.name} as a whole"
                why = network.taken.get(internal)
                return None if why is None else (ProblemType.DUPLICATE, f"is {why} in network {network.name}")
        return ProblemType.OUTSIDE_NETWORK, "is in none of the production networks of the document"


def ground(desired: Desired) -> Ground | None:
    """What the document's role allows to be published; None for a role that publishes nothing."""
    role = desired.role
    if not isinstance(role, ProviderRole):
        return None
    adapters: tuple[Nic | Vlan, ...] = (*desired.nics, *desired.vlans)
    own = {adapter.name: [interface.ip for interface in adapter.addresses] for adapter in adapters}
    allocation = frozenset(address.packed for address in role.public_addresses)
    return Ground(
        allocation=allocation,
        offered=allocation.union(address.packed for address in role.test_addresses),
        closed=_reserved(desired.management, role),
        networks=tuple(
            _Network(
                network.id,
                tuple(_bounds(prefix) for prefix in network.prefixes),
                {
                    **_each(own.get(network.nic, ()), "the appliance's own address"),
                    **_each(network.gateways, "the production gateway"),
                },
                network.prefixes,
            )
            for network in role.networks
        ),
    )


def check(entry: Entry, on: Ground, pointer: str, findings: Findings) -> bool:
    """Note what is wrong with the rule by itself; whether nothing is."""
    rule, public, internal = entry.rule, entry.public, entry.internal
    before = len(findings.problems)
    if public not in on.offered:
        detail = f"{rule.public_address} is neither a public nor a test address of the tenant"
        findings.add(ProblemType.OUTSIDE_ALLOCATION, f"{pointer}/public_address", detail)
    if len(public) != len(internal):
        detail = f"{rule.internal_address} is not of the IP version of {rule.public_address}"
        findings.add(ProblemType.INVALID, f"{pointer}/internal_address", detail)
    elif (objection := on.objection(internal)) is not None:
        kind, why = objection
        findings.add(kind, f"{pointer}/internal_address", f"{rule.internal_address} {why}")
    if rule.public_port_end is not None:
        _check_range(rule, pointer, findings)
    for port, owner in on.closed.get(public, _CLOSED).items():
        if rule.public_port <= port <= rule.last_port:
            detail = f"port {port} of {rule.public_address} is {owner}; publish another one"
            findings.add(ProblemType.RESERVED_PORT, f"{pointer}/public_port", detail)
    for index, source in enumerate(rule.sources):
        if source.version != rule.public_address.version:
            detail = f"{source} is not of the IP version of {rule.public_address}"
            findings.add(ProblemType.INVALID, f"{pointer}/sources/{index}", detail)
    return len(findings.problems) == before


def is_plain_and_right(entry: Entry, on: Ground) -> bool:
    """The answer for nearly every rule of a large table, without a loop."""
    rule, public = entry.rule, entry.public
    return (
        rule.public_port_end is None
        and not rule.sources
        and public in on.offered
        and rule.public_port not in on.closed.get(public, _CLOSED)
        and len(public) == len(entry.internal)
        and on.objection(entry.internal) is None
    )


def _check_range(rule: PublicRule, pointer: str, findings: Findings) -> None:
    last = rule.last_port
    if last < rule.public_port:
        detail = f"the range ends at {last}, before its first port {rule.public_port}"
        findings.add(ProblemType.INVALID, f"{pointer}/public_port_end", detail)
    elif rule.internal_port + last - rule.public_port > _LAST_PORT:
        detail = f"{last - rule.public_port + 1} ports from {rule.internal_port} on pass {_LAST_PORT}"
        findings.add(ProblemType.INVALID, f"{pointer}/internal_port", detail)


def _reserved(management: Management, role: ProviderRole) -> dict[bytes, dict[int, str]]:
    """Ports that the appliance itself answers on, tunnels' also while they are down."""
    own = {management.port: "the agent's", management.ssh_port: "SSH's"}
    ports = {management.address.packed: {**_CLOSED, **own}}
    for network in role.networks:
        if network.tunnel is not None:
            for address in openvpn_config.listens(network.tunnel, Transport.UDP):
                at = ports.setdefault(address.packed, dict(_CLOSED))
                at[network.tunnel.port] = f"the VPN's for network {network.id}"
    return ports


def _bounds(prefix: IPNetwork) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), int(prefix.broadcast_address)


def _each(addresses: Iterable[IPAddress], what: str) -> dict[bytes, str]:
    return {address.packed: what for address in addresses}
