"""Addresses that other machines answer for, told as problems about the document's members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from causeway_agent.plan.objects import Claim
from causeway_wire.desired import Desired, Full, GatewayRole, Partial, ProviderRole, Rehearsal, TenantRole
from causeway_wire.observed import DuplicateAddress
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import IPAddress, MacAddress

Taken = Mapping[Claim, MacAddress]


def address_problem(document: Desired, taken: Taken) -> Problem:
    """One problem naming every address in use; `taken` must not be empty."""
    return combine(
        tuple(
            problem(
                ProblemType.ADDRESS_IN_USE,
                f"{claim.address} is answered for by {mac} on {claim.device}; power that machine off first",
                pointer=_pointer(document, claim.address),
            )
            for claim, mac in sorted(taken.items(), key=lambda item: str(item[0].address))
        )
    )


def duplicates(taken: Taken) -> tuple[DuplicateAddress, ...]:
    """The same as a report."""
    return tuple(DuplicateAddress(address=claim.address, mac=mac) for claim, mac in taken.items())


def _pointer(document: Desired, address: IPAddress) -> str:
    role = document.role
    if isinstance(role, GatewayRole):
        return "/role"
    return next((pointer for candidate, pointer in _claimed(role) if candidate == address), "/role")


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
