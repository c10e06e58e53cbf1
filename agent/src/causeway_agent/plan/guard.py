"""Refuses plans that would cut the branch the agent sits on: the controller's way to it.

A way is an open management door whose address is on its device while the device is up: a VLAN is while its
trunk is, a bridge's port is for nobody. Once there is a way there must be one after every operation, not only
at the end: a plan may stop anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from causeway_agent.plan.objects import Address, BridgePort, KernelObject, Link, Vlan
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a way rests on."""

    links: frozenset[Link]
    vlans: frozenset[Vlan]
    ports: frozenset[BridgePort]
    addresses: frozenset[Address]
    policy: Policy | None

    def up(self) -> frozenset[str]:
        """Devices that receive packets for this machine."""
        links = frozenset(link.device for link in self.links)
        vlans = frozenset(vlan.device for vlan in self.vlans if vlan.mtu and vlan.parent in links)
        return links.union(vlans) - {port.device for port in self.ports}


def _states(plan: Plan, observation: Observation) -> Iterator[_State]:
    """The state at the start and after each operation."""
    state = _State(
        links=observation.links,
        vlans=observation.vlans,
        ports=observation.ports,
        addresses=observation.addresses,
        policy=observation.policy,
    )
    yield state
    for operation in plan.operations:
        match operation:
            case Put(item):
                state = _put(state, item)
            case Drop(item):
                state = _drop(state, item)
            case LoadPolicy(loaded):
                state = replace(state, policy=loaded)
            case _:
                pass
        yield state


def _put(state: _State, item: KernelObject) -> _State:
    match item:
        case Address():
            return replace(state, addresses=state.addresses | {item})
        case Link():
            return replace(state, links=state.links | {item})
        case Vlan():
            others = frozenset(vlan for vlan in state.vlans if vlan.device != item.device)
            return replace(state, vlans=others | {item})
        case BridgePort():
            return replace(state, ports=state.ports | {item})
        case _:
            return state


def _drop(state: _State, item: KernelObject) -> _State:
    match item:
        case Address():
            return replace(state, addresses=state.addresses - {item})
        case Link():
            return replace(state, links=state.links - {item})
        case Vlan():
            left = frozenset(address for address in state.addresses if address.device != item.device)
            return replace(state, vlans=state.vlans - {item}, addresses=left)
        case BridgePort():
            return replace(state, ports=state.ports - {item})
        case _:
            return state


def _has_way(state: _State, known: frozenset[ManagementDoor]) -> bool:
    if state.policy is None:
        return False
    up = state.up()
    held = {(address.device, address.interface.ip) for address in state.addresses if address.device in up}
    return any((door.device, door.address) in held for door in state.policy.management & known)
