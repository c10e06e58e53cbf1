"""The way of a packet through this appliance, in words: where it enters, who answers for its destination,
which table routes it, what the policy and the tunnel say, and what to do next.

Pure: it walks what was observed, as the kernel would walk it (ip-rule(8): rules, then the main table).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from causeway_agent.plan import checks
from causeway_agent.plan.explain_local import local_delivery, neighbour
from causeway_agent.plan.objects import MAIN_TABLE, TUN_PREFIXES, Route, Sysctl
from causeway_agent.plan.policy import Forward, Policy
from causeway_agent.plan.processes import VpnClient, VpnServer
from causeway_agent.plan.target import Observation
from causeway_wire.observed import TunnelReport, TunnelState
from causeway_wire.types import IPAddress


@dataclass(frozen=True, slots=True)
class Hop:
    """One stage: what decides there and what it decides."""

    stage: str
    """`starts`, `enters`, `asked for`, `checked`, `delivered`, `forwarded`, `filtered`, `routed`, `leaves` or
    `tunnel`.
    """
    text: str
    passes: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """The stages in order, the last one decisive, and a sentence that says what it means."""

    hops: tuple[Hop, ...]
    verdict: str
    passes: bool

    def lines(self) -> tuple[str, ...]:
        """The explanation as text."""
        told = [f"{'ok  ' if hop.passes else 'STOP'} {hop.stage}: {hop.text}" for hop in self.hops]
        return (*told, self.verdict)


def explain(
    source: IPAddress,
    destination: IPAddress,
    observation: Observation,
    *,
    tunnels: Sequence[TunnelReport] | None = None,
) -> Explanation:
    """What happens here to a packet from `source` to `destination`; stops where the packet would.

    Without `tunnels` their state is not known and stops nothing.
    """
    hops: list[Hop] = []
    if source.version != destination.version:
        return _stopped(hops, "IPv4 and IPv6 addresses never talk to each other; name two of one version.")
    walk = _Walk(source, destination, observation, tunnels)
    for hop, advice in walk.stages():
        hops.append(hop)
        if not hop.passes:
            return _stopped(hops, advice)
    return Explanation(tuple(hops), f"{source} to {destination}: {walk.conclusion}.", passes=True)


def _stopped(hops: list[Hop], advice: str) -> Explanation:
    return Explanation(tuple(hops), advice, passes=False)


_Stages = Iterator[tuple[Hop, str]]


@dataclass(slots=True)
class _Walk:
    source: IPAddress
    destination: IPAddress
    seen: Observation
    tunnels: Sequence[TunnelReport] | None
    conclusion: str = "passes"

    def stages(self) -> _Stages:
        """Every stage with the advice to give if the packet stops there."""
        policy = self.seen.policy
        if policy is None:
            advice = "Wait for the agent to load its packet filter, or look at its journal for why it cannot."
            yield Hop("filtered", "the packet filter is not the agent's", passes=False), advice
            return
        if self._own(self.source):
            yield Hop("starts", f"here: {self.source} is this appliance's own address"), ""
            yield from self._out(None)
            return
        entry = self._entry(policy)
        if entry is None:
            advice = f"Nothing here expects {self.source}: look on the appliance of its own network."
            yield Hop("enters", f"no adapter or tunnel leads to {self.source}", passes=False), advice
            return
        yield Hop("enters", f"on {entry}"), ""
        if entry.startswith(TUN_PREFIXES):
            yield self._tunnel(entry)
        else:
            passes, text, advice = neighbour(self.source, self.destination, entry, self.seen, policy)
            yield Hop("asked for", text, passes=passes), advice
        yield self._guarded(policy, entry)
        if self._own(self.destination):
            passes, text, advice = local_delivery(self.source, self.destination, entry, policy)
            self.conclusion = "is delivered to this appliance"
            yield Hop("delivered", text, passes=passes), advice
            return
        yield from self._onward(policy, entry)

    def _entry(self, policy: Policy) -> str | None:
        """The device a packet of these ends enters on: named by the policy, else where its source lives."""
        forwards = _by_preference(policy.forwards, self._preferred())
        for forward in forwards:
            if forward.source == self.source:
                return forward.input_device
        local = self._near(self.source)
        for forward in forwards:
            toward = forward.destination == self.destination and not forward.errors_only
            # A production host and the VLAN share a prefix: what is no replica is taken to be far.
            if toward and local in {None, forward.input_device, forward.output_device}:
                return forward.input_device
        if local is not None:
            return local
        route = _lookup(self.seen.routes, MAIN_TABLE, self.source)
        return None if route is None else route.device

    def _near(self, host: IPAddress) -> str | None:
        """The adapter in whose network the host is."""
        near = [
            (network.prefixlen, address.device)
            for address in self.seen.addresses
            for network in [address.interface.network]
            if checks.contains(network, host) and not address.device.startswith(TUN_PREFIXES)
        ]
        return max(near, default=(0, None))[1]

    def _own(self, address: IPAddress) -> bool:
        return any(held.interface.ip == address for held in self.seen.addresses)

    def _preferred(self) -> frozenset[str]:
        """Tun devices that routes use now: of two tunnels to one place, the connected one."""
        return frozenset(route.device for route in self.seen.routes)

    def _guarded(self, policy: Policy, entry: str) -> tuple[Hop, str]:
        networks = [guard.network for guard in policy.sources if guard.device == entry]
        if entry not in policy.guarded or checks.inside(networks, self.source):
            return Hop("checked", f"{self.source} may come from {entry}"), ""
        told = ", ".join(map(str, sorted(networks, key=str))) or "no network"
        advice = (
            f"Dropped and counted in drop_spoofed: {entry} accepts packets of {told} only. "
            "If the VM is meant to be there, its network must be failed over with this address."
        )
        return Hop("checked", f"{self.source} may not come from {entry}", passes=False), advice

    def _onward(self, policy: Policy, entry: str) -> _Stages:
        route = self._route(entry)
        if route is not None:
            yield self._forwarding(entry)
            yield self._permitted(policy, entry, route.device)
        yield from self._out(entry)

    def _out(self, entry: str | None) -> _Stages:
        """Routing, and what the packet leaves through."""
        route = self._route(entry)
        if route is None:
            advice = f"Fail over the VM that owns {self.destination}, or give the appliance a gateway."
            yield Hop("routed", f"no route for {self.destination}", passes=False), advice
            return
        via = "" if route.via is None else f" via {route.via}"
        yield Hop("routed", f"table {route.table}: {route.destination}{via} leaves on {route.device}"), ""
        if route.device not in self._up():
            advice = f"Set {route.device} up; the agent does so by itself when it conforms to its document."
            yield Hop("leaves", f"{route.device} is down", passes=False), advice
        if route.device.startswith(TUN_PREFIXES):
            yield self._tunnel(route.device)
        self.conclusion = f"leaves on {route.device}" if entry is None else f"passes to {route.device}"

    def _up(self) -> set[str]:
        up = {link.device for link in self.seen.links} | {tun.device for tun in self.seen.tuns}
        return up | {vlan.device for vlan in self.seen.vlans if vlan.mtu}

    def _route(self, entry: str | None) -> Route | None:
        """What policy routing chooses: rules by priority, then the main table; prefix routes included."""
        rules = [
            rule
            for rule in sorted(self.seen.rules, key=lambda rule: rule.priority)
            if rule.version == self.source.version
            and rule.input_device in {None, entry}
            and rule.source in {None, self.source}
        ]
        connected = {
            Route(address.interface.network, address.device)
            for address in self.seen.addresses
            if address.prefix_route
        }
        for table in (*(rule.table for rule in rules), MAIN_TABLE):
            route = _lookup(self.seen.routes | connected, table, self.destination)
            if route is not None:
                return route
        return None

    def _forwarding(self, entry: str) -> tuple[Hop, str]:
        four = f"net/ipv4/conf/{entry}/forwarding"
        key = four if self.source.version == checks.IPV4 else "net/ipv6/conf/all/forwarding"
        if Sysctl(key, "1") in self.seen.sysctls:
            return Hop("forwarded", f"packets from {entry} are forwarded"), ""
        advice = f"Apply a document with a failover: {key} is 1 while something is extended."
        return Hop("forwarded", f"packets from {entry} are not forwarded ({key})", passes=False), advice

    def _permitted(self, policy: Policy, entry: str, device: str) -> tuple[Hop, str]:
        for forward in sorted(policy.forwards, key=repr):
            if (forward.input_device, forward.output_device) == (entry, device) and self._matches(forward):
                only = " for ICMP errors only" if forward.errors_only else ""
                return Hop("filtered", f"allowed from {entry} to {device}{only}"), ""
        advice = (
            f"Dropped and counted in drop_forward: neither {self.source} nor {self.destination} is failed "
            "over here. Include its VM in the failover."
        )
        return Hop("filtered", f"not allowed from {entry} to {device}", passes=False), advice

    def _matches(self, forward: Forward) -> bool:
        given = forward.source or forward.destination
        version = forward.version if given is None else given.version
        return (
            version == self.source.version
            and forward.source in {None, self.source}
            and forward.destination in {None, self.destination}
        )

    def _tunnel(self, device: str) -> tuple[Hop, str]:
        ends = [p for p in self.seen.processes if isinstance(p, VpnServer | VpnClient) and p.device == device]
        if not ends:
            advice = f"Nothing runs on {device}; look at the journal for why its VPN process is not started."
            return Hop("tunnel", f"no VPN process on {device}", passes=False), advice
        end = ends[0]
        if self.tunnels is None:
            return Hop("tunnel", f"{end.tunnel} on {device}; only a running agent knows its state"), ""
        report = next((report for report in self.tunnels if report.id == end.tunnel), None)
        if report is not None and report.state is TunnelState.CONNECTED:
            return self._connected(end, report)
        error = f": {report.last_error}" if report is not None and report.last_error else ""
        advice = (
            f"Tunnel {end.tunnel} is not connected{error}. Check the other end's appliance and the cloud "
            "gateways between; the client tries all of them by itself."
        )
        return Hop("tunnel", f"{end.tunnel} on {device} is not connected{error}", passes=False), advice

    def _connected(self, end: VpnServer | VpnClient, report: TunnelReport) -> tuple[Hop, str]:
        carrier = "" if report.transport is None else f" over {report.transport.value}"
        if isinstance(end, VpnServer) and report.transport not in {None, end.transport}:
            advice = f"The client is connected{carrier}; routes follow within a moment, ask again."
            text = f"{end.tunnel} is connected{carrier}, not on {end.device}"
            return Hop("tunnel", text, passes=False), advice
        where = "" if report.remote is None else f" with {report.remote}"
        return Hop("tunnel", f"{end.tunnel} is connected{carrier}{where}"), ""


def _by_preference(forwards: Iterable[Forward], preferred: frozenset[str]) -> list[Forward]:
    return sorted(forwards, key=lambda f: (f.errors_only, f.input_device not in preferred, repr(f)))


def _lookup(routes: Iterable[Route], table: int, address: IPAddress) -> Route | None:
    """The longest matching prefix of the table, then the lowest metric."""
    matching = [r for r in routes if r.table == table and checks.contains(r.destination, address)]
    return min(matching, key=lambda r: (-r.destination.prefixlen, r.metric, repr(r)), default=None)
