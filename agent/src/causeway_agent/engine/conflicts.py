"""Addresses that other machines answer for, told as problems about the document's members."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import structlog
from msgspec import UNSET

from causeway_agent.engine import events
from causeway_agent.engine.state import InForce
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.steer.holdings import QUIET_SECONDS
from causeway_wire.desired import (
    Claims,
    Desired,
    Full,
    GatewayRole,
    Partial,
    ProviderRole,
    Rehearsal,
    TenantRole,
)
from causeway_wire.observed import DuplicateAddress, DuplicateState
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import IPAddress, MacAddress

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Taken = Mapping[Claim, MacAddress]


def claim_rules(enforced: InForce | None) -> Claims:
    """What the document says about claims."""
    return rules_of(enforced.document) if enforced is not None else Claims()


def rules_of(document: Desired) -> Claims:
    """What it says about claims, or what holds where it says nothing."""
    role = document.role
    said = role.claims if isinstance(role, ProviderRole | TenantRole) else UNSET
    return said if isinstance(said, Claims) else Claims()


def is_overridden(rules: Claims, claim: Claim, mac: MacAddress) -> bool:
    """Whether the document says that this machine's answer is stale."""
    return any((stale.address, stale.mac) == (claim.address, mac) for stale in rules.anyway)


def standing(rules: Claims, taken: Taken) -> Taken:
    """The answers that stand in the way of a claim; those that are overridden are logged."""
    for claim, mac in taken.items():
        if is_overridden(rules, claim, mac):
            _log.warning(events.CLAIM_OVERRIDDEN, address=str(claim.address), device=claim.device, mac=mac)
    return {claim: mac for claim, mac in taken.items() if not is_overridden(rules, claim, mac)}


def address_problem(document: Desired, taken: Taken) -> Problem:
    """One problem naming addresses in use, and how many more there are; `taken` must not be empty."""
    found = sorted(taken.items(), key=lambda item: str(item[0].address))
    return _problem(document, [(claim.address, claim.device, mac, _ANSWERED) for claim, mac in found])


_ANSWERED = (
    "{address} is answered for by {mac} on {device}; power that machine off first, or where it is off and "
    "only a fabric's memory answers, name both in claims.anyway"
)
_WORDS = {
    DuplicateState.CONTESTED: (
        "{address} is held here, and {mac} on {device} uses it, too: neighbours find the one or the other; "
        "power that machine off, or take the VM out of the failover"
    ),
    DuplicateState.RELEASED: (
        "{address} was given back: {mac} on {device} answered for it, late; power that machine off, and the "
        "address is claimed again {quiet:g} s after its last word"
    ),
}


def contest_problem(document: Desired, contested: Iterable[DuplicateAddress]) -> Problem | None:
    """The problem with addresses that other machines have; None where none is to be told."""
    told = [
        (each.address, each.device, each.mac, _WORDS[each.state])
        for each in contested
        if each.state in _WORDS
    ]
    return _problem(document, told) if told else None


def _problem(document: Desired, told: Sequence[tuple[IPAddress, str | None, MacAddress, str]]) -> Problem:
    """About addresses, with the device, the other machine and what to say of each.

    A site that comes back has every address that is held for it: each is looked up once, and the first are
    enough to act on.
    """
    pointers = _pointers(document)
    shown = told[: checks.MAX_PROBLEMS]
    problems = tuple(
        problem(
            ProblemType.ADDRESS_IN_USE,
            words.format(address=address, mac=mac, device=device, quiet=QUIET_SECONDS),
            pointer=pointers.get(address, "/role"),
        )
        for address, device, mac, words in shown
    )
    return combine(problems, more=len(told) - len(shown))


def duplicates(taken: Taken) -> tuple[DuplicateAddress, ...]:
    """The same as a report."""
    return tuple(DuplicateAddress(address=claim.address, mac=mac) for claim, mac in taken.items())


def _pointers(document: Desired) -> dict[IPAddress, str]:
    """Where the document names an address; where it does so more than once, the failover's."""
    role = document.role
    own = (
        (interface.ip, f"/nics/{i}/addresses/{k}")
        for i, nic in enumerate(document.nics)
        for k, interface in enumerate(nic.addresses)
    )
    claimed = () if isinstance(role, GatewayRole) else _claimed(role)
    found: dict[IPAddress, str] = {}
    for address, pointer in itertools.chain(claimed, own):
        found.setdefault(address, pointer)
    return found


def _claimed(role: ProviderRole | TenantRole) -> Iterator[tuple[IPAddress, str]]:
    """Every address that the role's failover may claim, and where the document names it."""
    failover = role.failover
    if isinstance(failover, Partial):
        for i, replica in enumerate(failover.replicas):
            yield from _entries(replica.addresses, f"/role/failover/replicas/{i}/addresses")
    elif isinstance(role, ProviderRole) and isinstance(failover, Full | Rehearsal):
        for i, network in enumerate(role.networks):
            yield from _entries(network.gateways, f"/role/networks/{i}/gateways")
        if isinstance(failover, Full):
            yield from _entries(role.public_addresses, "/role/public_addresses")
        else:
            yield from _entries(role.test_addresses, "/role/test_addresses")


def _entries(addresses: tuple[IPAddress, ...], pointer: str) -> Iterator[tuple[IPAddress, str]]:
    return ((address, f"{pointer}/{index}") for index, address in enumerate(addresses))
