"""Addresses that other machines answer for, told as problems about the document's members."""

from __future__ import annotations

from collections.abc import Mapping

from causeway_agent.plan.objects import ProxyNeighbour
from causeway_wire.desired import Desired, GatewayRole, Partial
from causeway_wire.observed import DuplicateAddress
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import IPAddress, MacAddress

Taken = Mapping[ProxyNeighbour, MacAddress]


def address_problem(document: Desired, taken: Taken) -> Problem:
    """One problem naming every address in use; `taken` must not be empty."""
    return combine(
        tuple(
            problem(
                ProblemType.ADDRESS_IN_USE,
                f"{proxy.address} is answered for by {mac} on {proxy.device}; power that machine off first",
                pointer=_pointer(document, proxy.address),
            )
            for proxy, mac in sorted(taken.items(), key=lambda item: str(item[0].address))
        )
    )


def duplicates(taken: Taken) -> tuple[DuplicateAddress, ...]:
    """The same as a report."""
    return tuple(DuplicateAddress(address=proxy.address, mac=mac) for proxy, mac in taken.items())


def _pointer(document: Desired, address: IPAddress) -> str:
    role = document.role
    if not isinstance(role, GatewayRole) and isinstance(role.failover, Partial):
        for i, replica in enumerate(role.failover.replicas):
            for j, candidate in enumerate(replica.addresses):
                if candidate == address:
                    return f"/role/failover/replicas/{i}/addresses/{j}"
    return "/role"
