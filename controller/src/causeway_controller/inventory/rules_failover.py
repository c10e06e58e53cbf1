"""Rules of failover plans: an order that can be kept, and services that can be published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import UNSET

from causeway_controller.contract.tenant import FailoverPlan, Static, Tenant
from causeway_controller.inventory import appliances
from causeway_controller.inventory import book as names_of
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings, distinct, unknown
from causeway_wire.problem import ProblemType
from causeway_wire.public_rules import NEVER_PUBLISHED, PublicRule
from causeway_wire.types import IPAddress, Name, NetworkId, VmName

_LAST_PORT = 65_535


def check(findings: Findings, tenant: Tenant, book: Book, chosen: Iterable[IPAddress], pointer: str) -> None:
    """Note what is wrong with the failover plans. `chosen` are addresses that the controller chose."""
    names = ((plan.id, f"{pointer}/failover_plans/{n}/id") for n, plan in enumerate(tenant.failover_plans))
    distinct(findings, names, "failover plan")
    allotted = {*tenant.public_addresses, *chosen}
    for n, plan in enumerate(tenant.failover_plans):
        where = f"{pointer}/failover_plans/{n}"
        _entries(findings, tenant, plan, where)
        _hosts(findings, tenant, plan, book, where)
        _order(findings, plan, where)
        _gateways(findings, tenant, plan, where)
        _routed(findings, tenant, plan, book, where)
        _rules(findings, tenant, plan, allotted, where)
        _answerable(findings, tenant, plan, book, where)


def _entries(findings: Findings, tenant: Tenant, plan: FailoverPlan, pointer: str) -> None:
    vms = {vm.name for vm in tenant.vms}
    planned = {entry.vm for entry in plan.entries}
    distinct(
        findings, ((entry.vm, f"{pointer}/entries/{n}/vm") for n, entry in enumerate(plan.entries)), "VM"
    )
    for n, entry in enumerate(plan.entries):
        where = f"{pointer}/entries/{n}"
        if entry.vm not in vms:
            unknown(findings, f"{where}/vm", "VM of the tenant", entry.vm, vms)
        for m, other in enumerate(entry.after):
            if other not in planned:
                unknown(findings, f"{where}/after/{m}", "VM of the plan", other, planned)


def _hosts(findings: Findings, tenant: Tenant, plan: FailoverPlan, book: Book, pointer: str) -> None:
    """A run is of one host: nobody waits for a VM of another. Replicas on hosts without a subscription have
    findings of their own. Replicas may come one by one: a plan that lacks one is refused when it is begun.
    """
    hosts = {vm.name: vm.replica.host for vm in tenant.vms if vm.replica is not UNSET}
    known = {hardware.host for _, _, hardware in book.subscribed(tenant)}
    for n, entry in enumerate(plan.entries):
        for m, other in enumerate(entry.after):
            here, there = hosts.get(entry.vm), hosts.get(other)
            if here != there and {here, there} <= known:
                detail = (
                    f"{entry.vm} waits for {other}, whose replica is on {there} and not on {here}; a run "
                    f"is of one host: leave {other} out of `after`"
                )
                findings.add(ProblemType.INVALID, f"{pointer}/entries/{n}/after/{m}", detail)


def _order(findings: Findings, plan: FailoverPlan, pointer: str) -> None:
    """Nobody waits for themselves, nor for somebody of a later priority, who starts only afterwards."""
    places = {entry.vm: n for n, entry in enumerate(plan.entries)}
    for n, entry in enumerate(plan.entries):
        for m, other in enumerate(entry.after):
            later = other in places and plan.entries[places[other]].priority > entry.priority
            if later:
                detail = f"{other} has a later priority than {entry.vm}, which waits for it; exchange them"
                findings.add(ProblemType.INVALID, f"{pointer}/entries/{n}/after/{m}", detail)
    circle = _circle({entry.vm: entry.after for entry in plan.entries})
    if circle:
        detail = (
            f"each waits for the next: {' -> '.join((*circle, circle[0]))}; remove one of them from `after`"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/entries/{places[circle[0]]}/after", detail)


def _circle(after: Mapping[VmName, tuple[VmName, ...]]) -> tuple[VmName, ...]:
    """A circle of VMs that wait for one another; empty without one. No recursion: plans are long."""
    done: set[VmName] = set()
    for start in after:
        path: dict[VmName, Iterator[VmName]] = {} if start in done else {start: iter(after[start])}
        while path:
            vm = next(reversed(path))
            following = next(path[vm], None)
            if following is None:
                done.add(vm)
                del path[vm]
            elif following in path:
                names = list(path)
                return tuple(names[names.index(following) :])
            elif following in after and following not in done:
                path[following] = iter(after[following])
    return ()


def _gateways(findings: Findings, tenant: Tenant, plan: FailoverPlan, pointer: str) -> None:
    """The appliance becomes these networks' default gateway: it must know the address, of each IP version
    that the VMs have. None is guessed.
    """
    networks, vms = names_of.networks(tenant), {vm.name: vm for vm in tenant.vms}
    asked: set[tuple[NetworkId, int]] = set()
    for n, entry in enumerate(plan.entries):
        vm = vms.get(entry.vm)
        network = None if vm is None else networks.get(vm.network)
        if vm is None or network is None:
            continue
        wanted = {(network.id, address.version) for address in vm.addresses}
        lacking = wanted - {(network.id, gateway.version) for gateway in network.gateways} - asked
        asked |= lacking
        for _, version in sorted(lacking):
            detail = (
                f"{entry.vm} has an IPv{version} address, and network {network.id} no IPv{version} gateway, "
                "which full failover takes over; enter production's, or leave the address out"
            )
            findings.add(ProblemType.INVALID, f"{pointer}/entries/{n}/vm", detail)


def _routed(findings: Findings, tenant: Tenant, plan: FailoverPlan, book: Book, pointer: str) -> None:
    networks = names_of.networks(tenant)
    plans: dict[NetworkId, Name] = {
        entry.network: subscription.plan
        for _, subscription, _ in book.subscribed(tenant)
        for entry in subscription.networks
    }
    distinct(findings, ((name, f"{pointer}/routed/{n}") for n, name in enumerate(plan.routed)), "network")
    for n, name in enumerate(plan.routed):
        if name not in networks:
            unknown(findings, f"{pointer}/routed/{n}", "network of the tenant", name, networks)
        elif plans.get(name) is None or plans.get(name) != plans.get(plan.routed[0]):
            detail = (
                f"packets are routed between networks of one hardware plan, and {name} is not of "
                f"{plan.routed[0]}'s; remove one of them"
            )
            findings.add(ProblemType.INVALID, f"{pointer}/routed/{n}", detail)


def _rules(
    findings: Findings, tenant: Tenant, plan: FailoverPlan, allotted: set[IPAddress], pointer: str
) -> None:
    owners = {address: vm.name for vm in tenant.vms for address in vm.addresses}
    entries = [(rule, f"{pointer}/rules/{n}") for n, rule in enumerate(plan.rules)]
    distinct(findings, ((rule.id, f"{where}/id") for rule, where in entries), "rule")
    for rule, where in entries:
        _ports(findings, rule, where)
        if rule.public_address not in allotted:
            detail = (
                f"{rule.public_address} is not tenant {tenant.id}'s; use one of theirs, or give it to them"
            )
            findings.add(ProblemType.OUTSIDE_ALLOCATION, f"{where}/public_address", detail)
        owner = owners.get(rule.internal_address)
        if owner is None or rule.vm not in {None, owner}:
            detail = f"{rule.internal_address} is no address of {rule.vm or 'a VM of the tenant'}; correct it"
            findings.add(ProblemType.UNKNOWN_REFERENCE, f"{where}/internal_address", detail)
    _apart(findings, entries)


def _answerable(findings: Findings, tenant: Tenant, plan: FailoverPlan, book: Book, pointer: str) -> None:
    """What is asked at a public address is answered over the uplink, which must be of its IP version."""
    uplinks = {one.host: one.uplink.address for one in appliances.of_tenant(tenant, book)}
    hosts = {
        address: vm.replica.host for vm in tenant.vms if vm.replica is not UNSET for address in vm.addresses
    }
    for n, rule in enumerate(plan.rules):
        host, version = hosts.get(rule.internal_address, ""), rule.public_address.version
        uplink = uplinks.get(host)
        if isinstance(uplink, Static) and all(one.version != version for one in uplink.addresses):
            detail = (
                f"{rule.public_address} would answer nobody: the uplink of the appliance on {host} has no "
                f"IPv{version} address; give it one, or leave the rule out"
            )
            findings.add(ProblemType.UNSUPPORTED, f"{pointer}/rules/{n}/public_address", detail)


def _ports(findings: Findings, rule: PublicRule, pointer: str) -> None:
    """Public port 22 is no service's (seed); an internal port 22 may be published on another one."""
    if rule.public_port <= NEVER_PUBLISHED <= rule.last_port:
        detail = f"public port {NEVER_PUBLISHED} is reserved; publish another, such as 2222, that leads to it"
        findings.add(ProblemType.RESERVED_PORT, f"{pointer}/public_port", detail)
    if rule.last_port < rule.public_port:
        detail = f"the range runs from {rule.public_port} down to {rule.last_port}; exchange them"
        findings.add(ProblemType.INVALID, f"{pointer}/public_port_end", detail)
    elif rule.internal_port + rule.last_port - rule.public_port > _LAST_PORT:
        detail = f"the range leads past port {_LAST_PORT} of {rule.internal_address}; shorten it"
        findings.add(ProblemType.INVALID, f"{pointer}/public_port_end", detail)


def _apart(findings: Findings, entries: list[tuple[PublicRule, str]]) -> None:
    """No address, protocol and port leads to two places."""
    order = sorted(
        entries, key=lambda entry: (str(entry[0].public_address), entry[0].protocol, entry[0].public_port)
    )
    furthest: tuple[PublicRule, str] | None = None
    for rule, where in order:
        if furthest is not None:
            other, at = furthest
            same = (other.public_address, other.protocol) == (rule.public_address, rule.protocol)
            if same and rule.public_port <= other.last_port:
                detail = (
                    f"port {rule.public_port} of {rule.public_address} is published at {at}; choose another"
                )
                findings.add(ProblemType.DUPLICATE, f"{where}/public_port", detail)
            if same and rule.last_port <= other.last_port:
                continue
        furthest = (rule, where)
