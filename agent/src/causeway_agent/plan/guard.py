"""Refuses plans that would cut the branch the agent sits on: the controller's way to it.

A way is an open management door whose address is on its device while the device is up. Once there is a way
there must be one after every operation, not only at the end: a plan may stop anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from causeway_agent.plan.objects import Address, Link
from causeway_agent.plan.operations import Drop, LoadPolicy, Plan, Put
from causeway_agent.plan.policy import ManagementDoor, Policy
from causeway_agent.plan.target import Observation, Target
from causeway_wire.problem import Problem, ProblemType, problem


def guard(plan: Plan, target: Target, observation: Observation) -> tuple[Problem, ...]:
    """Problems for a plan that loses the controller's way at some point; none for a safe one."""
    known = target.policy.management
    if observation.policy is not None:
        known |= observation.policy.management
    ways = [_has_way(state, known) for state in _states(plan, observation)]
    cut = next((i for i in range(1, len(ways)) if ways[i - 1] and not ways[i]), None)
    if cut is None and ways[-1]:
        return ()
    if cut is None:
        detail = f"nothing would answer controllers at {target.management.interface.ip} in the end"
    else:
        detail = f"operation {cut} of {len(plan.operations)} would close the controller's way to the agent"
    return (problem(ProblemType.CUTS_MANAGEMENT, detail, pointer="/management"),)


_State = tuple[frozenset[Link], frozenset[Address], Policy | None]


def _states(plan: Plan, observation: Observation) -> Iterator[_State]:
    """Links, addresses and policy at the start and after each operation."""
    links, addresses, policy = observation.links, observation.addresses, observation.policy
    yield links, addresses, policy
    for operation in plan.operations:
        match operation:
            case Put(Address() as item):
                addresses |= {item}
            case Drop(Address() as item):
                addresses -= {item}
            case Put(Link() as item):
                links |= {item}
            case Drop(Link() as item):
                links -= {item}
            case LoadPolicy(loaded):
                policy = loaded
            case _:
                pass
        yield links, addresses, policy


def _has_way(state: _State, known: frozenset[ManagementDoor]) -> bool:
    links, addresses, policy = state
    if policy is None:
        return False
    up = {link.device for link in links}
    held = {(address.device, address.interface.ip) for address in addresses if address.device in up}
    return any((door.device, door.address) in held for door in policy.management & known)
