"""The way of a packet through this appliance, in words: where it enters, who answers for its destination,
what the filter, public rules, routing and the tunnel say, what becomes of its answer, and what to do next.

Pure: it walks what was observed, in the order the kernel decides. Each module `explain_*` is one place:
`filter` the packet filter, `route` policy routing, `local` the appliance itself, `tunnel` the VPN, `reply`
the way back, `bridged` networks whose frames pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from causeway_agent.plan.explain import bridged as explain_bridged
from causeway_agent.plan.explain import local as explain_local
from causeway_agent.plan.explain import reply as explain_reply
from causeway_agent.plan.explain import route as explain_route
from causeway_agent.plan.explain import verdict as explain_filter
from causeway_agent.plan.explain.bridged import Bridged
from causeway_agent.plan.explain.packet import Explanation, Hop, Packet, Services
from causeway_agent.plan.explain.reply import Passage
from causeway_agent.plan.explain.tunnel import tunnel
from causeway_agent.plan.explain.verdict import Translation
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import Route, Sysctl
from causeway_agent.plan.model.policy import Policy, Way
from causeway_agent.plan.model.target import Observation
from causeway_wire.observed import TunnelReport
from causeway_wire.types import IPAddress


def explain(
    packet: Packet,
    observation: Observation,
    *,
    tunnels: Sequence[TunnelReport] | None = None,
    services: Services | None = None,
    bridged: Sequence[Bridged] = (),
    entry: str | None = None,
) -> Explanation:
    """What happens here to the packet; stops where the packet would.

    Without `tunnels` their state is not known and stops nothing; without `services` public rules are not
    known. `bridged` are the networks whose frames pass, `entry` is the device it enters on, else the one
    where its source belongs.
    """
    if packet.source.version != packet.destination.version:
        advice = "IPv4 and IPv6 addresses never talk to each other; name two of one version."
        return Explanation((), advice, passes=False)
    walk = _Walk(packet, observation, tunnels, services, bridged, entry)
    hops = []
    for hop in walk.stages():
        hops.append(hop)
        if not hop.passes:
            return Explanation(tuple(hops), hop.advice, passes=False, counter=hop.counter)
    reply = walk.reply()
    verdict = f"{packet}: {walk.conclusion}."
    if reply is not None and not reply.passes:
        verdict = f"{packet}: {walk.conclusion}, but its answer does not come back. {reply.advice}"
    return Explanation(tuple(hops), verdict, passes=True, reply=reply)


_Stages = Iterator[Hop]


@dataclass(slots=True)
class _Walk:
    packet: Packet
    seen: Observation
    tunnels: Sequence[TunnelReport] | None
    services: Services | None
    bridged: Sequence[Bridged]
    given: str | None
    conclusion: str = "passes"
    passage: Passage | None = field(default=None, init=False)
    """How it was forwarded, for its answer."""

    def stages(self) -> _Stages:
        """Every stage, until one stops the packet."""
        policy, source = self.seen.policy, self.packet.source
        if policy is None:
            advice = "Wait for the agent to load its packet filter, or look at its journal for why it cannot."
            yield Hop("filtered", "the packet filter is not the agent's", passes=False, advice=advice)
            return
        network = None if self.given else explain_bridged.concerned(self.bridged, self.packet)
        if network is not None:
            self.conclusion = f"passes {network.bridge} as frames"
            yield from explain_bridged.frames(self.packet, network, self.seen, policy, self.tunnels)
            return
        if self.given is None and explain_route.own(self.seen, source):
            yield Hop("starts", f"here: {source} is this appliance's own address")
            yield from self._started()
            return
        entry = self.given or explain_route.entry_of(self.seen, policy, source, self.packet.destination)
        if entry is None:
            advice = f"Nothing here expects {source}: look on the appliance of its own network."
            yield Hop("enters", f"no adapter or tunnel leads to {source}", passes=False, advice=advice)
            return
        yield Hop("enters", f"on {entry}")
        if explain_route.is_tun(entry):
            yield tunnel(self.seen, entry, self.tunnels, self.packet, comes=True)
        else:
            yield explain_local.neighbour(source, self.packet.destination, entry, self.seen, policy)
        yield explain_filter.screened(policy, entry, source, self.packet.destination)
        yield from self._entered(policy, entry)

    def _entered(self, policy: Policy, entry: str) -> _Stages:
        met, translation = explain_filter.published(policy, entry, self.packet, self.services)
        if met is not None:
            yield met
        if explain_route.own(self.seen, translation.packet.destination):
            self.conclusion = "is delivered to this appliance"
            yield explain_local.local_delivery(translation.packet, entry, policy)
            return
        yield from self._onward(policy, entry, translation)

    def _onward(self, policy: Policy, entry: str, translation: Translation) -> _Stages:
        packet = translation.packet
        route = explain_route.chosen(self.seen, entry, packet.source, packet.destination)
        yield self._routed(route, packet.destination)
        if route is None:
            return
        yield self._forwarding(entry)
        seen = explain_filter.tracked(policy, entry, packet.source, self.packet.destination)
        yield explain_filter.permitted(
            policy, entry, route.device, translation, seen=seen, default=route.destination.prefixlen == 0
        )
        leaves_as = self._leaves_as(policy, entry, route, translation, seen=seen)
        if leaves_as != packet.source:
            yield Hop("translated", f"leaves with source {leaves_as}; conntrack turns its answers back")
        elif translation.rule is not None:
            yield Hop(
                "translated", f"its source {leaves_as} stays; answers must come back through this appliance"
            )
        self.passage = Passage(entry, route.device, translation, leaves_as, seen)
        yield from self._leaves(route)
        self.conclusion = f"passes to {route.device}"

    def _started(self) -> _Stages:
        destination = self.packet.destination
        if explain_route.own(self.seen, destination):
            self.conclusion = "never leaves this appliance"
            yield Hop("delivered", f"here: {destination} is this appliance's own address too")
            return
        route = explain_route.chosen(self.seen, None, self.packet.source, destination)
        yield self._routed(route, destination)
        if route is not None:
            yield from self._leaves(route)
            self.conclusion = f"leaves on {route.device}"

    def _routed(self, route: Route | None, destination: IPAddress) -> Hop:
        if route is None:
            advice = f"Fail over the VM that owns {destination}, or give the appliance a gateway."
            return Hop("routed", f"no route for {destination}", passes=False, advice=advice)
        via = "" if route.via is None else f" via {route.via}"
        return Hop("routed", f"table {route.table}: {route.destination}{via} leaves on {route.device}")

    def _leaves(self, route: Route) -> _Stages:
        if route.device not in explain_route.up(self.seen):
            advice = f"Set {route.device} up; the agent does so by itself when it conforms to its document."
            yield Hop("leaves", f"{route.device} is down", passes=False, advice=advice)
        if explain_route.is_tun(route.device):
            yield tunnel(self.seen, route.device, self.tunnels, self.packet)

    def _forwarding(self, entry: str) -> Hop:
        four = f"net/ipv4/conf/{entry}/forwarding"
        key = four if self.packet.source.version == checks.IPV4 else "net/ipv6/conf/all/forwarding"
        if Sysctl(key, "1") in self.seen.sysctls:
            return Hop("forwarded", f"packets from {entry} are forwarded")
        advice = f"Apply a document with a failover: {key} is 1 while something is extended."
        return Hop(
            "forwarded", f"packets from {entry} are not forwarded ({key})", passes=False, advice=advice
        )

    def _leaves_as(
        self, policy: Policy, entry: str, route: Route, translation: Translation, *, seen: bool
    ) -> IPAddress:
        """The source after chain `leave`."""
        source = translation.packet.source
        if not seen:
            return source
        hop = route.via or translation.packet.destination
        device = explain_route.source_for(self.seen, route.device, hop) or source
        if translation.rule is not None and entry == route.device and Way(entry, entry) in policy.ways:
            return device
        outward = explain_filter.internet(policy, entry, route.device, source.version)
        if outward is None:
            return source
        public = self.services.leaves_with(source) if outward.by_rules and self.services is not None else None
        return public or device

    def reply(self) -> Hop | None:
        """What becomes of the answer; None where the packet was not forwarded."""
        if self.passage is None or self.seen.policy is None:
            return None
        return explain_reply.reply(self.packet, self.passage, self.seen, self.seen.policy)
