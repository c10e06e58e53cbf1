"""Refuses plans that would cut the branch the agent sits on: the controller's way to it.

A way is an open management door whose address is on its device while the device is up: a VLAN is while its
trunk is, a bridge's port is for nobody. Once there is a way there must be one after every operation, not only
at the end: a plan may stop anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from causeway_agent.plan.model.objects import Address, BridgePort, KernelObject, Link, Vlan
from causeway_agent.plan.model.policy import ManagementDoor, Policy
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer.operations import Drop, LoadPolicy, Operation, Plan, Put
from causeway_wire.problem import Problem, ProblemType, problem


def guard(plan: Plan, target: Target, observation: Observation) -> tuple[Problem, ...]:
    """Problems for a plan that loses the controller's way at some point; none for a safe one."""
    known = target.policy.management
    if observation.policy is not None:
        known |= observation.policy.management
    state = _begin(observation, known)
    open_ = state.has_way()
    for number, operation in enumerate(plan.operations, start=1):
        after = _after(state, operation)
        if after is state:
            continue
        state, was_open, open_ = after, open_, after.has_way()
        if was_open and not open_:
            detail = (
                f"operation {number} of {len(plan.operations)} would close the controller's way to the agent"
            )
            return (_cuts(detail),)
    if open_:
        return ()
    return (_cuts(f"nothing would answer controllers at {target.management.interface.ip} in the end"),)


def _cuts(detail: str) -> Problem:
    return problem(ProblemType.CUTS_MANAGEMENT, detail, pointer="/management")


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a way rests on."""

    known: frozenset[ManagementDoor]
    """Doors that a controller may come by: others are not its."""
    links: frozenset[Link]
    vlans: frozenset[Vlan]
    ports: frozenset[BridgePort]
    addresses: frozenset[Address]
    """Those that a door of `known` has; a plan may bring thousands of others."""
    policy: Policy | None

    def up(self) -> frozenset[str]:
        """Devices that receive packets for this machine."""
        links = frozenset(link.device for link in self.links)
        vlans = frozenset(vlan.device for vlan in self.vlans if vlan.mtu and vlan.parent in links)
        return links.union(vlans) - {port.device for port in self.ports}

    def has_way(self) -> bool:
        """Whether a controller gets through to the agent."""
        if self.policy is None:
            return False
        up = self.up()
        held = {(address.device, address.interface.ip) for address in self.addresses if address.device in up}
        return any((door.device, door.address) in held for door in self.policy.management & self.known)

    def concerns(self, address: Address) -> bool:
        """Whether a door has the address."""
        return any(
            (door.device, door.address) == (address.device, address.interface.ip) for door in self.known
        )


def _begin(observation: Observation, known: frozenset[ManagementDoor]) -> _State:
    """The state before the first operation."""
    doors = {(door.device, door.address) for door in known}
    return _State(
        known=known,
        links=observation.links,
        vlans=observation.vlans,
        ports=observation.ports,
        addresses=frozenset(a for a in observation.addresses if (a.device, a.interface.ip) in doors),
        policy=observation.policy,
    )


def _after(state: _State, operation: Operation) -> _State:
    """The state after the operation: the same object where that changes no way."""
    match operation:
        case Put(item):
            return _put(state, item)
        case Drop(item):
            return _drop(state, item)
        case LoadPolicy(loaded):
            return replace(state, policy=loaded)
        case _:
            return state


def _put(state: _State, item: KernelObject) -> _State:
    match item:
        case Address() if state.concerns(item):
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
        case Address() if state.concerns(item):
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
