"""What compile checks with: a collector of problems and the rules that several roles share.

Nothing raises here: every check adds what it found, so that one answer names all that is wrong.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from causeway_agent.plan.model.prefixes import Prefixes
from causeway_wire import address_kinds
from causeway_wire.desired import InnerAddresses, Partial, ProductionNetwork, Replica
from causeway_wire.identity import is_agent_key
from causeway_wire.problem import Problem, ProblemType, problem
from causeway_wire.types import IPAddress, IPNetwork, KeyName, Pem

IPV4, IPV6 = 4, 6

CERTIFICATE = "CERTIFICATE"
SERVER_KEY = "OpenVPN tls-crypt-v2 server key"
CLIENT_KEY = "OpenVPN tls-crypt-v2 client key"

_FREE = {4: "100.64.0.0/10 (RFC 6598)", 6: "fd00::/8 (RFC 4193)"}
"""Where inner addresses are best taken from."""
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}")


MAX_PROBLEMS: Final = 100
"""Told at once; a document can be wrong in a hundred thousand places."""


@dataclass(slots=True)
class Findings:
    """Problems in the order they were found: the first `MAX_PROBLEMS`, and how many more."""

    problems: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, kind: ProblemType, pointer: str, detail: str) -> None:
        """Note a problem with the member at this RFC 6901 pointer."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem(kind, detail, pointer=pointer))
        else:
            self.more += 1

    @property
    def count(self) -> int:
        """How many have been found, told or not."""
        return len(self.problems) + self.more


def contains(network: IPNetwork, address: IPAddress) -> bool:
    """Whether the address lies in the network; families do not mix."""
    return network.version == address.version and address in network


def inside(networks: Iterable[IPNetwork], address: IPAddress) -> bool:
    """Whether the address lies in one of the networks."""
    return any(contains(network, address) for network in networks)


def overlap(one: IPNetwork, other: IPNetwork) -> bool:
    """Whether two networks share an address; families do not mix."""
    return one.version == other.version and one.overlaps(other)


@functools.lru_cache(maxsize=16384)
def host(address: IPAddress) -> IPNetwork:
    """The network of one address. A large tenant's document asks four times for each of its addresses."""
    kind = ipaddress.IPv4Network if address.version == IPV4 else ipaddress.IPv6Network
    return kind((int(address), address.max_prefixlen))


def distinct(findings: Findings, entries: Iterable[tuple[object, str]], what: str) -> None:
    """Every (value, pointer) must have another value; the later one of a pair is the problem."""
    seen = set()
    for value, pointer in entries:
        if value in seen:
            findings.add(ProblemType.DUPLICATE, pointer, f"{what} {value} is used twice; give each its own")
        seen.add(value)


def pem(findings: Findings, text: Pem, pointer: str, label: str) -> None:
    """The text must be PEM blocks of this label and nothing else (RFC 7468, 3).

    It is written into configuration files between tags, so that any other line could become an option.
    """
    # Only what every reader takes for the end of a line: not the other ten that Python knows.
    lines = [line.removesuffix("\r") for line in text.strip("\r\n \t").split("\n")]
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    framed = len(lines) > 1 and lines[0] == begin and lines[-1] == end
    if not framed or not all(line in {begin, end} or _BASE64_LINE.fullmatch(line) for line in lines):
        findings.add(ProblemType.INVALID, pointer, f'must be PEM text of "{label}" blocks and nothing else')


def key(findings: Findings, name: KeyName, pointer: str) -> None:
    """The agent's own keys prove who commands this appliance; nothing else gets to read them."""
    if is_agent_key(name):
        detail = f"{name} is the agent's own key; request one for this purpose under another name"
        findings.add(ProblemType.INVALID, pointer, detail)


def usable(findings: Findings, address: IPAddress, pointer: str) -> bool:
    """Whether it can be a host's address; notes a problem when not."""
    why = address_kinds.special(address)
    if why is not None:
        findings.add(ProblemType.INVALID, pointer, f"{address} is {why}, so it can be nobody's address here")
    return why is None


def elsewhere(
    findings: Findings, address: IPAddress, pointer: str, taken: Mapping[IPAddress, tuple[ProblemType, str]]
) -> None:
    """Note when it cannot be a host's beyond this machine; `taken` says what cannot, and why."""
    if usable(findings, address, pointer) and (found := taken.get(address)) is not None:
        kind, why = found
        findings.add(kind, pointer, f"{address} is {why}; name the machine that packets shall go to")


def network(findings: Findings, entry: ProductionNetwork, pointer: str) -> None:
    """Prefixes exist, differ and can hold hosts, production gateways are among those."""
    if not entry.prefixes:
        findings.add(ProblemType.INVALID, f"{pointer}/prefixes", "name at least one prefix")
    for index, prefix in enumerate(entry.prefixes):
        where = f"{pointer}/prefixes/{index}"
        if any(overlap(prefix, earlier) for earlier in entry.prefixes[:index]):
            detail = f"{prefix} overlaps another prefix of network {entry.id}"
            findings.add(ProblemType.OVERLAP, where, detail)
        if (why := address_kinds.no_hosts(prefix)) is not None:
            findings.add(ProblemType.INVALID, where, f"{prefix} is no production network: {why}")
    for index, gateway in enumerate(entry.gateways):
        if not inside(entry.prefixes, gateway):
            findings.add(
                ProblemType.OUTSIDE_NETWORK,
                f"{pointer}/gateways/{index}",
                f"gateway {gateway} is in none of the prefixes of network {entry.id}",
            )
        elif address_kinds.names_network(entry.prefixes, gateway):
            detail = f"{gateway} is the network or broadcast address of network {entry.id}"
            findings.add(ProblemType.INVALID, f"{pointer}/gateways/{index}", detail)
    distinct(
        findings,
        ((gateway.version, f"{pointer}/gateways/{i}") for i, gateway in enumerate(entry.gateways)),
        "a gateway of IP version",
    )


def inner(findings: Findings, pairs: Sequence[InnerAddresses], pointer: str, occupied: Prefixes[str]) -> None:
    """One pair per family, two ends of the same family, none of them where others are.

    The tunnel's routes to its ends would capture them; `occupied` says by whom a prefix is.
    """
    if not pairs:
        findings.add(ProblemType.INVALID, pointer, "name one pair of inner addresses per IP version carried")
    versions = ((pair.local.version, f"{pointer}/{i}") for i, pair in enumerate(pairs))
    distinct(findings, versions, "a pair of inner addresses of IP version")
    for index, pair in enumerate(pairs):
        if pair.local.version != pair.peer.version:
            detail = f"{pair.local} and {pair.peer} are of different IP versions"
            findings.add(ProblemType.INVALID, f"{pointer}/{index}/peer", detail)
        elif pair.local == pair.peer:
            detail = f"both ends of the tunnel are {pair.peer}"
            findings.add(ProblemType.DUPLICATE, f"{pointer}/{index}/peer", detail)
        for end, address in (("local", pair.local), ("peer", pair.peer)):
            if not usable(findings, address, f"{pointer}/{index}/{end}"):
                continue
            if (where := occupied.around(address)) is not None:
                detail = f"inner address {address} is {where}; take one of {_FREE[address.version]}"
                findings.add(ProblemType.OVERLAP, f"{pointer}/{index}/{end}", detail)


@dataclass(frozen=True, slots=True)
class Segment:
    """A network as replicas see it: where they may live, and whose addresses are taken there."""

    network: ProductionNetwork
    own: frozenset[IPAddress]
    """The appliance's own addresses in it."""
    extended: bool
    """Whether it has a tunnel."""


def replicas(findings: Findings, failover: Partial, segments: Mapping[str, Segment]) -> None:
    """Replicas live in known, extended networks, on addresses that are theirs alone."""
    base = "/role/failover/replicas"
    names = ((replica.vm, f"{base}/{i}/vm") for i, replica in enumerate(failover.replicas))
    distinct(findings, names, "VM")
    listed = (
        ((replica.network, address), f"{base}/{i}/addresses/{k}")
        for i, replica in enumerate(failover.replicas)
        for k, address in enumerate(replica.addresses)
    )
    distinct(findings, listed, "replica address")
    for index, replica in enumerate(failover.replicas):
        _replica(findings, replica, segments.get(replica.network), f"{base}/{index}")


def _replica(findings: Findings, replica: Replica, segment: Segment | None, pointer: str) -> None:
    if segment is None:
        detail = f"network {replica.network} of VM {replica.vm} is not in the document"
        findings.add(ProblemType.UNKNOWN_REFERENCE, f"{pointer}/network", detail)
        return
    if not segment.extended:
        detail = f"network {replica.network} has no tunnel, so VM {replica.vm} could not be reached"
        findings.add(ProblemType.INVALID, f"{pointer}/network", detail)
    if not replica.addresses:
        findings.add(ProblemType.INVALID, f"{pointer}/addresses", f"VM {replica.vm} needs an address")
    for index, address in enumerate(replica.addresses):
        where = f"{pointer}/addresses/{index}"
        if not inside(segment.network.prefixes, address):
            detail = f"{address} is in none of the prefixes of network {replica.network}"
            findings.add(ProblemType.OUTSIDE_NETWORK, where, detail)
        elif address in segment.network.gateways:
            detail = f"{address} is the production gateway of network {replica.network}"
            findings.add(ProblemType.DUPLICATE, where, detail)
        elif address in segment.own:
            findings.add(ProblemType.DUPLICATE, where, f"{address} is the appliance's own address")
        elif address_kinds.names_network(segment.network.prefixes, address):
            detail = f"{address} is the network or broadcast address of network {replica.network}"
            findings.add(ProblemType.INVALID, where, detail)
    _macs(findings, replica, pointer)


def _macs(findings: Findings, replica: Replica, pointer: str) -> None:
    for index, mac in enumerate(replica.macs):
        if (why := address_kinds.no_adapter(mac)) is not None:
            findings.add(ProblemType.INVALID, f"{pointer}/macs/{index}", f"{mac} {why}; no adapter has it")
