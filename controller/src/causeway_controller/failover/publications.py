"""Whether public rules can be meant, asked when they are entered and again when a failover begins.

On an ordinary day no appliance holds them: what they are is known to the inventory alone, and a mistake would
come up in the night of the failover. So they are held here against all that the appliance will hold them
against, whatever the tenant's mode is now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from causeway_controller.failover import tunnel_ends
from causeway_controller.inventory.addressing import inside
from causeway_controller.inventory.tenancy import Network, Tenant
from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.public_rules import NEVER_PUBLISHED, PORTS, SOURCE_PORTS, TARGETS, PublicRule
from causeway_wire.types import IPAddress

_TOLD: Final = 100
_LAST_PORT: Final = 65535
_IPV4, _POINT_TO_POINT = 4, {4: 31, 6: 127}


def check(tenant: Tenant, rules: Sequence[PublicRule]) -> None:
    """Raises ProblemError that names every rule which could not be put in full failover, by id and member."""
    reserved = _reserved(tenant)
    problems = [found for rule in rules for found in _alone(tenant, rule, reserved)]
    problems += _together(rules)
    if problems:
        raise ProblemError(combine(tuple(problems[:_TOLD]), more=max(0, len(problems) - _TOLD)))


def _alone(
    tenant: Tenant, rule: PublicRule, reserved: Mapping[IPAddress, Mapping[int, str]]
) -> Iterator[Problem]:
    """What is wrong with one rule."""
    try:
        codec.decode(codec.encode(rule), PublicRule)
    except ProblemError as error:
        yield _about(
            rule, ProblemType.INVALID, (error.problem.pointer or "").strip("/"), error.problem.detail
        )
        return
    if rule.public_address not in tenant.public_addresses:
        detail = f"{rule.public_address} is no public address of tenant {tenant.id}"
        yield _about(rule, ProblemType.OUTSIDE_ALLOCATION, "public_address", detail)
    yield from _target(tenant, rule)
    yield from _range(rule)
    for port, owner in {NEVER_PUBLISHED: "SSH's", **reserved.get(rule.public_address, {})}.items():
        if rule.public_port <= port <= rule.last_port:
            detail = f"port {port} of {rule.public_address} is {owner}; publish another one"
            yield _about(rule, ProblemType.RESERVED_PORT, "public_port", detail)
    for index, source in enumerate(rule.sources):
        if source.version != rule.public_address.version:
            detail = f"{source} is not of the IP version of {rule.public_address}"
            yield _about(rule, ProblemType.INVALID, f"sources/{index}", detail)


def _target(tenant: Tenant, rule: PublicRule) -> Iterator[Problem]:
    """What is wrong with where the rule leads."""
    internal = rule.internal_address
    if internal.version != rule.public_address.version:
        detail = f"{internal} is not of the IP version of {rule.public_address}"
        yield _about(rule, ProblemType.INVALID, "internal_address", detail)
        return
    if rule.vm is not None and rule.vm not in tenant.vms:
        detail = f"tenant {tenant.id} has no VM {rule.vm}"
        yield _about(rule, ProblemType.UNKNOWN_REFERENCE, "vm", detail)
    elif rule.vm is not None and internal not in tenant.vms[rule.vm].addresses:
        detail = f"{internal} is no address of VM {rule.vm}"
        yield _about(rule, ProblemType.UNKNOWN_REFERENCE, "internal_address", detail)
    network = next((each for each in _networks(tenant) if inside(each.prefixes, internal)), None)
    if network is None:
        detail = (
            f"{internal} is in no production network that appliance {tenant.provider.id} has an adapter in"
        )
        yield _about(rule, ProblemType.OUTSIDE_NETWORK, "internal_address", detail)
        return
    owner = _owner(tenant, network, internal)
    if owner is not None:
        detail = f"{internal} is {owner} in network {network.id}"
        yield _about(rule, ProblemType.DUPLICATE, "internal_address", detail)


def _owner(tenant: Tenant, network: Network, address: IPAddress) -> str | None:
    """Who has the address that is no VM; None for a VM's."""
    if address in network.gateways:
        return "the production gateway"
    if any(interface.ip == address for interface in tenant.server.vlans[network.id].addresses):
        return "the appliance's own address"
    for prefix in network.prefixes:
        if prefix.version != address.version or prefix.prefixlen >= _POINT_TO_POINT[prefix.version]:
            continue
        last = prefix.version == _IPV4 and address == prefix.broadcast_address
        if address == prefix.network_address or last:
            return "the address of the whole network"
    return None


def _range(rule: PublicRule) -> Iterator[Problem]:
    last = rule.last_port
    if last < rule.public_port:
        detail = f"the range ends at {last}, before its first port {rule.public_port}"
        yield _about(rule, ProblemType.INVALID, "public_port_end", detail)
    elif rule.internal_port + last - rule.public_port > _LAST_PORT:
        detail = f"{last - rule.public_port + 1} ports from {rule.internal_port} on pass {_LAST_PORT}"
        yield _about(rule, ProblemType.INVALID, "internal_port", detail)


def _together(rules: Sequence[PublicRule]) -> Iterator[Problem]:
    """A rule's id and each of its ports are its own; all together are no more than an appliance holds."""
    ids: set[str] = set()
    owners: dict[tuple[IPAddress, str, int], str] = {}
    targets: set[IPAddress] = set()
    ports = restricted = 0
    for rule in rules:
        if rule.id in ids:
            yield _about(rule, ProblemType.DUPLICATE, "id", f"two rules are called {rule.id}")
        ids.add(rule.id)
        mine = range(max(rule.public_port, 0), min(rule.last_port, _LAST_PORT) + 1)
        ports += len(mine)
        restricted += len(mine) * len(rule.sources)
        if ports > PORTS or restricted > SOURCE_PORTS:
            detail = f"with it the rules have more than {PORTS} ports, or {SOURCE_PORTS} ports times sources"
            yield _about(rule, ProblemType.INVALID, "public_port", detail)
            return
        targets.add(rule.internal_address)
        if len(targets) > TARGETS:
            detail = f"with it the rules lead to more than {TARGETS} internal addresses"
            yield _about(rule, ProblemType.INVALID, "internal_address", detail)
            return
        taken = {
            port: owners.setdefault((rule.public_address, rule.protocol, port), rule.id) for port in mine
        }
        port = next((port for port, owner in taken.items() if owner != rule.id), None)
        if port is not None:
            detail = f"{rule.protocol.value} port {port} of {rule.public_address} is rule {taken[port]}'s"
            yield _about(rule, ProblemType.DUPLICATE, "public_port", detail)


def _reserved(tenant: Tenant) -> dict[IPAddress, dict[int, str]]:
    """Ports that the appliance itself answers on, tunnels' also while they are down."""
    access = tenant.server.management
    found: dict[IPAddress, dict[int, str]] = {access.address: {access.port: "the agent's"}}
    if tenant.server.uplink.addresses:
        second = tunnel_ends.second_server_address(tenant)
        for address in (tunnel_ends.server_address(tenant), *(() if second is None else (second,))):
            at = found.setdefault(address, {})
            at |= {network.port: f"the VPN's for network {network.id}" for network in _networks(tenant)}
    return found


def _networks(tenant: Tenant) -> tuple[Network, ...]:
    """The networks that the provider's appliance has an adapter in."""
    return tuple(network for network in tenant.networks.values() if network.id in tenant.server.vlans)


def _about(rule: PublicRule, kind: ProblemType, member: str, detail: str) -> Problem:
    return problem(kind, f"rule {rule.id}: {detail}", pointer=f"/rules/{rule.id}/{member}")
