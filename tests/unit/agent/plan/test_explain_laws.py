"""Explain says what the policy means, for every policy and packet: an evaluator of a few lines says so too.

The evaluator reads the policy's sets as its docstrings define them and knows nothing of words, advice or the
order of stages. Policies are those of real documents with random elements taken out, so that half-applied and
contradictory ones are among them.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass, fields, replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.explain.explanation import explain
from causeway_agent.plan.explain.packet import Kind, Packet, Services
from causeway_agent.plan.model.policy import Forward, Policy
from causeway_agent.plan.model.target import Observation
from causeway_wire.desired import Desired, Partial
from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress
from tests import documents

HOSTS = [
    *(f"192.168.{network}.{host}" for network in (0, 1) for host in (1, 5, 6, 20, 21, 33)),
    *(f"2001:db8:{network}::{host}" for network in (0, 1) for host in (1, 20, 33)),
    *(
        "10.9.0.2",
        "10.9.0.77",
        "10.20.1.1",
        "8.8.8.8",
        "172.16.0.9",
        "fe80::1",
        "2001:db8:ffff::1",
        "fd99::9",
    ),
    *documents.PUBLIC,
    *documents.TEST,
]
RULES = tuple(
    PublicRule(
        id=f"rule-{index}",
        public_address=ipaddress.ip_address(public),
        public_port=443 + index % 2,
        internal_address=ipaddress.ip_address(internal),
        internal_port=8443,
        sources=tuple(map(ipaddress.ip_network, sources)),
    )
    for index, (public, internal, sources) in enumerate(
        (public, internal, sources)
        for public in (*documents.PUBLIC, *documents.TEST)
        for internal, sources in (
            (("192.168.0.20", ()), ("192.168.1.33", ("8.8.8.0/24", "192.168.0.0/16")))
            if ":" not in public
            else (("2001:db8:0::20", ()), ("2001:db8:1::33", ("2001:db8:ffff::/48",)))
        )
    )
)


def find(address: IPAddress, protocol: Protocol, port: int) -> PublicRule | None:
    asked = (address, protocol, port)
    return next((r for r in RULES if (r.public_address, r.protocol, r.public_port) == asked), None)


SERVICES = Services(find, lambda _internal: None)


def policy_of(seen: Observation) -> Policy:
    assert seen.policy is not None
    return seen.policy


@dataclass(frozen=True)
class Outcome:
    """Where it goes (`here` or a device), or the counter that counts its end; `uncounted` drops otherwise."""

    to: str = ""
    dropped: str = ""


def evaluate(seen: Observation, policy: Policy, entry: str, packet: Packet) -> tuple[Outcome, Packet]:
    """One packet of a new flow: its outcome, the packet as it is forwarded."""
    source, public = packet.source, packet.destination
    tracked = not extended(policy, entry, source, public)
    if spoofed(policy, entry, source, tracked=tracked):
        return Outcome(dropped="drop_spoofed"), packet
    rule = None
    if tracked and public in policy.owned and packet.kind in {Kind.TCP, Kind.UDP} and packet.port:
        door = packet.kind is Kind.TCP and (packet.port == 22 or opens(policy, entry, packet))
        rule = None if door else find(public, Protocol(packet.kind.value), packet.port)
        if rule and rule.sources and not any(source in network for network in rule.sources):
            rule = None
    if rule:
        packet = replace(packet, destination=rule.internal_address, port=rule.internal_port)
    if any(held.interface.ip == packet.destination for held in seen.addresses):
        ours = answered(policy, entry, packet)
        return Outcome(to="here") if ours else local_drop(policy, packet), packet
    device = routed(seen, entry, packet)
    if device is None or not forwarding(seen, entry, packet):
        return Outcome(dropped="uncounted"), packet
    if passes(policy, entry, device, packet, tracked=tracked, rule=rule):
        return Outcome(to=device), packet
    refused = tracked and denied(policy, device, packet)
    return Outcome(dropped="drop_denied" if refused else "drop_forward"), packet


def extended(policy: Policy, entry: str, source: IPAddress, destination: IPAddress) -> bool:
    return any(
        f.input_device == entry
        and not f.errors_only
        and (f.source == source or (f.source is None and f.destination == destination))
        for f in policy.forwards
    )


def spoofed(policy: Policy, entry: str, source: IPAddress, *, tracked: bool) -> bool:
    mine = any(g.device == entry and source in g.network for g in policy.sources)
    excused = source.version == 6 and (source.is_link_local or source.is_unspecified)
    foreign = any(g.device == entry and source in g.network for g in policy.foreign)
    return (entry in policy.guarded and not mine and not excused) or (foreign and tracked)


def opens(policy: Policy, entry: str, packet: Packet) -> bool:
    return any(
        (d.device, d.address) == (entry, packet.destination)
        and packet.port in d.ports
        and any(packet.source in network for network in d.sources)
        for d in policy.management
    )


def answered(policy: Policy, entry: str, packet: Packet) -> bool:
    here = (entry, packet.destination)
    if packet.kind is Kind.ICMP:
        return any((e.device, e.address) == here for e in policy.echoes)
    if packet.kind is Kind.TCP and opens(policy, entry, packet):
        return True
    if packet.kind is Kind.TCP and any(packet.port in d.ports for d in policy.management):
        return False
    return any(
        (i.device, i.address, i.protocol, i.port) == (*here, packet.kind, packet.port)
        for i in policy.listeners
    )


def local_drop(policy: Policy, packet: Packet) -> Outcome:
    if packet.kind is Kind.TCP and any(packet.port in d.ports for d in policy.management):
        return Outcome(dropped="drop_management")
    public = packet.kind is not Kind.ICMP and packet.destination in policy.owned
    return Outcome(dropped="drop_unpublished" if public else "drop_input")


def routed(seen: Observation, entry: str | None, packet: Packet) -> str | None:
    wanted = [
        (r.priority, r.table)
        for r in seen.rules
        if r.version == packet.source.version
        and (r.input_device is None or r.input_device == entry)
        and (r.source is None or r.source == packet.source)
    ]
    routes = [(r.table, r.destination, r.device, r.metric) for r in seen.routes]
    routes += [(254, a.interface.network, a.device, 0) for a in seen.addresses if a.prefix_route]
    for _, table in [*sorted(wanted), (99999, 254)]:
        found = [
            (-network.prefixlen, metric, device)
            for at, network, device, metric in routes
            if at == table and packet.destination.version == network.version and packet.destination in network
        ]
        if found:
            return min(found)[2]
    return None


def forwarding(seen: Observation, entry: str, packet: Packet) -> bool:
    key = (
        f"net/ipv4/conf/{entry}/forwarding" if packet.source.version == 4 else "net/ipv6/conf/all/forwarding"
    )
    return any((s.key, s.value) == (key, "1") for s in seen.sysctls)


def fits(forward: Forward, entry: str, device: str, packet: Packet) -> bool:
    ends = [end for end in (forward.source, forward.destination) if end is not None]
    version = ends[0].version if ends else forward.version
    return (
        (forward.input_device, forward.output_device, version) == (entry, device, packet.source.version)
        and (forward.source is None or forward.source == packet.source)
        and (forward.destination is None or forward.destination == packet.destination)
        and not forward.errors_only
    )


def named(policy: Policy, entry: str, device: str, packet: Packet) -> bool:
    return any(fits(f, entry, device, packet) and (f.source or f.destination) for f in policy.forwards)


def anyone(policy: Policy, entry: str, device: str, packet: Packet) -> bool:
    return any(
        fits(f, entry, device, packet) and f.source is None and f.destination is None for f in policy.forwards
    )


def denied(policy: Policy, device: str, packet: Packet) -> bool:
    return any(g.device == device and packet.destination in g.network for g in policy.denied)


def passes(
    policy: Policy, entry: str, device: str, packet: Packet, *, tracked: bool, rule: PublicRule | None
) -> bool:
    if not tracked and named(policy, entry, device, packet):
        return True
    if tracked and denied(policy, device, packet):
        return False
    ways = {(w.input_device, w.output_device) for w in policy.ways}
    outward = {
        (i.input_device, i.output_device) for i in policy.internet if i.version == packet.source.version
    }
    return (
        anyone(policy, entry, device, packet)
        or (tracked and (entry, device) in outward)
        or (tracked and rule is not None and (entry, device) in ways)
    )


def comes_back(
    seen: Observation, policy: Policy, entry: str, first: Packet, sent: Packet, *, device: str
) -> bool:
    """The answer to a packet that was forwarded: `sent` is it as it left, its source aside."""
    translated = sent.destination != first.destination
    outward = {
        (i.input_device, i.output_device) for i in policy.internet if i.version == first.source.version
    }
    new_source = (entry, device) in outward and not extended(policy, entry, first.source, first.destination)
    hairpin = (
        translated
        and entry == device
        and any((w.input_device, w.output_device) == (entry, entry) for w in policy.ways)
    )
    answer = Packet(sent.destination, first.source, first.kind)
    masked = hairpin or new_source
    to = own_address(seen, device, first) if masked else first.source
    tracked = not extended(policy, device, answer.source, to)
    back = routed(seen, device, answer)
    if spoofed(policy, device, answer.source, tracked=tracked) or back is None:
        return False
    if (translated or to != first.source) and not tracked:
        return False
    if not tracked:
        return named(policy, device, back, answer) or anyone(policy, device, back, answer)
    ways = {(w.input_device, w.output_device) for w in policy.ways}
    return (
        anyone(policy, device, back, answer)
        or (new_source and back == entry)
        or (translated and (device, back) in ways)
    )


def own_address(seen: Observation, device: str, packet: Packet) -> IPAddress:
    """Any of ours will do: it matters only that it is not the sender's."""
    listed = [a.interface.ip for a in seen.addresses if a.device == device]
    fitting = [ip for ip in listed if ip.version == packet.source.version and not ip.is_link_local]
    return min(fitting, key=int, default=packet.source)


def observed(document: Desired) -> Observation:
    target = compile_document(document, documents.FACTS)
    names = {f.name for f in fields(Observation)} & {f.name for f in fields(target)}
    return Observation(**{name: getattr(target, name) for name in names})


PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
RICH = (
    documents.provider(documents.full("net-0", "net-1"), denied=("10.20.0.0/16",)),
    documents.provider(documents.full("net-0", "net-1", routed=("net-0", "net-1"))),
    documents.provider(documents.rehearsal("net-0", "net-1", internet=True)),
    documents.provider(PARTIAL),
    documents.tenant(PARTIAL),
)


KINDS = (
    (Kind.TCP, 443),
    (Kind.TCP, 444),
    (Kind.UDP, 443),
    (Kind.TCP, 22),
    (Kind.TCP, 8443),
    (Kind.ICMP, None),
)
BEHIND = {
    "eth0": ("10.9.0.77", "8.8.8.8", "2001:db8:ffff::1", "10.20.1.1", "172.16.0.9", "192.168.0.20"),
    "eth1": ("192.168.0.20", "192.168.0.21", "192.168.0.33", "2001:db8:0::20", "10.9.0.77", "fe80::1"),
    "eth2": ("192.168.1.20", "192.168.1.33", "2001:db8:1::33", "192.168.0.20"),
    "cwu1195": ("192.168.0.33", "192.168.0.6", "2001:db8:0::33"),
    "cwtun0": ("192.168.0.20", "192.168.0.21", "2001:db8:0::20"),
}
"""Sources by the device where they enter, some where they do not belong."""
PACKETS = [
    (entry, Packet(source, destination, kind, port))
    for entry, sources in BEHIND.items()
    for source in map(ipaddress.ip_address, sources)
    for destination in map(ipaddress.ip_address, HOSTS)
    if source.version == destination.version
    for kind, port in KINDS
]


@functools.cache
def rich(index: int) -> tuple[Observation, list[tuple[str, Packet]]]:
    """One of the documents, and the packets that pass there."""
    seen = observed(RICH[index])
    passing = [
        (entry, packet)
        for entry, packet in PACKETS
        if explain(packet, seen, services=SERVICES, entry=entry).passes
    ]
    return seen, passing


@pytest.fixture(scope="module", autouse=True)
def _known() -> None:
    """Found out before, not while examples are made and timed."""
    for index in range(len(RICH)):
        rich(index)


INDEXES = st.integers(0, len(RICH) - 1)


@st.composite
def bent(draw: st.DrawFn) -> tuple[Observation, Policy, list[tuple[str, Packet]]]:
    """A real policy, sometimes mixed with another document's, of which a set or two has lost elements; and
    packets, half of which passed before.
    """
    seen, passing = rich(draw(INDEXES))
    policy = policy_of(seen)
    names = sorted({f.name for f in fields(policy)} - {"arp", "bridged", "relays"})
    if draw(st.booleans()):
        other = policy_of(rich(draw(INDEXES))[0])
        policy = replace(policy, **{name: getattr(policy, name) | getattr(other, name) for name in names})
    for name in draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
        kept = (x for x in sorted(getattr(policy, name), key=repr) if draw(st.booleans()))
        policy = replace(policy, **{name: frozenset(kept)})
    if draw(st.booleans()):
        turned = (
            replace(i, input_device=i.output_device, output_device=i.input_device) for i in policy.internet
        )
        policy = replace(policy, internet=policy.internet | frozenset(turned))
    one_of = [st.sampled_from(some) for some in (passing, PACKETS)]
    packets = draw(st.lists(st.one_of(one_of), min_size=20, max_size=40))
    return replace(seen, policy=policy), policy, packets


def compare(seen: Observation, policy: Policy, entry: str, packet: Packet) -> str:
    """Fail when explain and the evaluator differ; what they agree on."""
    found = explain(packet, seen, services=SERVICES, entry=entry)
    if not found.passes and found.hops[-1].stage in {"asked for", "tunnel", "leaves"}:
        return "who is asked for and how the tunnel is are no matters of the policy"
    outcome, sent = evaluate(seen, policy, entry, packet)
    expected = (bool(outcome.to), outcome.dropped or "uncounted")
    assert (found.passes, found.counter or "uncounted") == expected, found.lines()
    if found.reply is None:
        return outcome.dropped or "is for us"
    back = comes_back(seen, policy, entry, packet, sent, device=outcome.to)
    assert found.reply.passes == back, found.lines()
    return "passes" if back else "passes, its answer is lost"


@pytest.mark.parametrize("document", RICH)
def test_explain_agrees_with_the_policy_of_a_document(document: Desired) -> None:
    seen = observed(document)
    agreed = {compare(seen, policy_of(seen), entry, packet) for entry, packet in PACKETS}
    assert {"passes", "is for us", "drop_spoofed", "drop_forward", "drop_input", "drop_management"} <= agreed


@settings(max_examples=60, deadline=None)
@given(bent())
def test_explain_agrees_with_any_policy_in_both_directions(
    situation: tuple[Observation, Policy, list[tuple[str, Packet]]],
) -> None:
    seen, policy, packets = situation
    for entry, packet in packets:
        event(compare(seen, policy, entry, packet))


@settings(deadline=None)
@given(st.one_of(documents.PROVIDERS, documents.TENANTS), st.lists(st.sampled_from(PACKETS), min_size=9))
def test_explain_agrees_with_the_policy_of_any_document(
    document: Desired, packets: list[tuple[str, Packet]]
) -> None:
    seen = observed(document)
    for entry, packet in packets:
        compare(seen, policy_of(seen), entry, packet)
