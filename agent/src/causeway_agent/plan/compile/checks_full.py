"""Checks of full failover and rehearsal, and of what they will need, while there is still time to correct it.

What belongs to the provider's configuration (public and test addresses, denied networks, gateways) is checked
in every mode: a mistake in it must come up on the day it is made, not in the night of the failover.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from causeway_agent.plan.compile import adapters as nics
from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.compile.contribution import Surroundings
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.prefixes import Prefixes
from causeway_wire import address_kinds
from causeway_wire.desired import Full, FullNetwork, ProviderRole, Rehearsal
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, NetworkId, NicName


def check(role: ProviderRole, around: Surroundings, uplink: Adapter | None) -> None:
    """Note everything that a full failover or a rehearsal of this role would fail over."""
    _check_gateways(role, around)
    _check_denied(role, around.findings)
    _check_owned(role, around, uplink)
    if isinstance(role.failover, Full | Rehearsal):
        _check_failover(role, role.failover, around, uplink)


def _check_gateways(role: ProviderRole, around: Surroundings) -> None:
    """Production gateways are not held in other modes, so they are no adapter's addresses."""
    held = {address: each.nic.name for each in around.adapters.values() for address in each.own}
    for i, network in enumerate(role.networks):
        for k, gateway in enumerate(network.gateways):
            where = f"/role/networks/{i}/gateways/{k}"
            if gateway in held:
                detail = (
                    f"{gateway} is an address of adapter {held[gateway]}; the gateway's own address is taken "
                    "in full failover only, give the adapter another one"
                )
                around.findings.add(ProblemType.DUPLICATE, where, detail)


def _check_denied(role: ProviderRole, findings: checks.Findings) -> None:
    for index, denied in enumerate(role.denied):
        if denied.prefixlen == 0:
            detail = f"{denied} is every network; leave networks without internet instead"
            findings.add(ProblemType.INVALID, f"/role/denied/{index}", detail)


def _check_owned(role: ProviderRole, around: Surroundings, uplink: Adapter | None) -> None:
    listed = list(_owned(role))
    checks.distinct(around.findings, listed, "public address")
    taken = _Taken.of(role, around)
    for address, pointer in listed:
        for kind, detail in (*taken.objections(address), *_uplink_objections(role.uplink, uplink, address)):
            around.findings.add(kind, pointer, detail)


def _owned(role: ProviderRole) -> Iterator[tuple[IPAddress, str]]:
    for member, listed in (
        ("public_addresses", role.public_addresses),
        ("test_addresses", role.test_addresses),
    ):
        yield from ((address, f"/role/{member}/{i}") for i, address in enumerate(listed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """Where addresses are spoken for, other than on the uplink."""

    production: Prefixes[NetworkId]
    inner: Mapping[IPAddress, NetworkId]
    on_link: Prefixes[NicName]

    @classmethod
    def of(cls, role: ProviderRole, around: Surroundings) -> _Taken:
        return cls(
            production=Prefixes((prefix, each.id) for each in role.networks for prefix in each.prefixes),
            inner={
                end: network.id
                for network in role.networks
                for pair in (network.tunnel.inner if network.tunnel is not None else ())
                for end in (pair.local, pair.peer)
            },
            on_link=nics.on_link(around.others(role.uplink)),
        )

    def objections(self, address: IPAddress) -> Iterator[tuple[ProblemType, str]]:
        """Why the address cannot be owned on the uplink, for what is elsewhere."""
        if (why := address_kinds.special(address)) is not None:
            yield ProblemType.INVALID, f"{address} is {why}, no address that others could connect to"
        if (network := self.production.around(address)) is not None:
            yield ProblemType.OVERLAP, f"{address} lies in production network {network}"
        if (end := self.inner.get(address)) is not None:
            yield ProblemType.DUPLICATE, f"{address} is an inner address of network {end}'s tunnel"
        if (name := self.on_link.around(address)) is not None:
            yield ProblemType.OVERLAP, f"{address} lies in a network of adapter {name}"


def _uplink_objections(
    name: NicName, uplink: Adapter | None, address: IPAddress
) -> Iterator[tuple[ProblemType, str]]:
    """Why the address cannot be owned on the uplink, for what is there. The uplink's own address can."""
    if uplink is None or address in uplink.own:
        return
    if address in uplink.gateways:
        yield ProblemType.DUPLICATE, f"{address} is the gateway of the uplink {name}"
    if address_kinds.names_network(uplink.networks, address):
        yield ProblemType.INVALID, f"{address} is the network or broadcast address of the uplink's network"


def _check_failover(
    role: ProviderRole, failover: Full | Rehearsal, around: Surroundings, uplink: Adapter | None
) -> None:
    findings, base = around.findings, "/role/failover/networks"
    if not failover.networks:
        findings.add(ProblemType.INVALID, base, "name at least one network; without any the mode is idle")
    named = ((entry.network, f"{base}/{i}/network") for i, entry in enumerate(failover.networks))
    checks.distinct(findings, named, "network")
    known = {network.id: (i, network) for i, network in enumerate(role.networks)}
    for i, entry in enumerate(failover.networks):
        if entry.network not in known:
            detail = f"network {entry.network} is not in the document"
            findings.add(ProblemType.UNKNOWN_REFERENCE, f"{base}/{i}/network", detail)
            continue
        index, network = known[entry.network]
        if not network.gateways:
            detail = (
                f"network {network.id} has no gateway address to take over; ask the tenant which address its "
                "machines use as their gateway, it cannot be guessed"
            )
            findings.add(ProblemType.INVALID, f"/role/networks/{index}/gateways", detail)
        _check_internet(entry, f"{base}/{i}/internet", around, uplink)
    _check_routed(failover, findings)
    owned = role.public_addresses if isinstance(failover, Full) else role.test_addresses
    if owned and uplink is not None and not uplink.gateways:
        detail = f"the uplink {role.uplink} has no gateway, so replies to public addresses would go nowhere"
        findings.add(ProblemType.INVALID, "/role/uplink", detail)


def _check_internet(entry: FullNetwork, pointer: str, around: Surroundings, uplink: Adapter | None) -> None:
    if entry.internet and uplink is not None and not uplink.gateways:
        detail = f"network {entry.network} shall reach the internet, but the uplink has no gateway"
        around.findings.add(ProblemType.INVALID, pointer, detail)


def _check_routed(failover: Full | Rehearsal, findings: checks.Findings) -> None:
    base = "/role/failover/routed"
    checks.distinct(
        findings, ((name, f"{base}/{i}") for i, name in enumerate(failover.routed)), "routed network"
    )
    included = {entry.network for entry in failover.networks}
    for i, name in enumerate(failover.routed):
        if name not in included:
            detail = f"network {name} is not failed over; name it in /role/failover/networks too"
            findings.add(ProblemType.UNKNOWN_REFERENCE, f"{base}/{i}", detail)
    if len(failover.routed) == 1:
        detail = f"network {failover.routed[0]} is routed to no other; name two or none"
        findings.add(ProblemType.INVALID, base, detail)
