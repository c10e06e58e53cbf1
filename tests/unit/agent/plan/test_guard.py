"""The guard: no plan may close the controller's way to the agent."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import Address, BridgePort, Link, Vlan
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.target import Observation
from causeway_agent.plan.steer.guard import guard
from causeway_agent.plan.steer.operations import Drop, LoadPolicy, Operation, Plan, Put
from tests import documents

TARGET = compile_document(documents.provider(), documents.FACTS)
HERE = Observation(links=TARGET.links, addresses=TARGET.addresses, policy=TARGET.policy)
LINK = Link("eth0", 1500)


def cuts(*operations: Operation, seen: Observation = HERE) -> bool:
    problems = guard(Plan(operations), TARGET, seen)
    assert all(problem.pointer == "/management" for problem in problems)
    return bool(problems)


def test_a_plan_that_does_nothing_is_safe() -> None:
    assert not cuts()


@pytest.mark.parametrize(
    "operation",
    [Drop(TARGET.management), Drop(LINK), LoadPolicy(Policy())],
    ids=["address", "link", "policy"],
)
def test_losing_the_way_is_refused_even_when_it_comes_back(operation: Operation) -> None:
    again = (Put(TARGET.management), Put(LINK), LoadPolicy(TARGET.policy))
    assert cuts(operation)
    assert cuts(operation, *again)


def test_a_door_that_neither_document_knows_is_no_way() -> None:
    door = next(iter(TARGET.policy.management))
    stranger = Policy(management=frozenset({replace(door, ports=frozenset({1}))}))
    assert cuts(LoadPolicy(stranger), LoadPolicy(TARGET.policy))


def test_moving_by_way_of_the_new_address_is_safe() -> None:
    old = Address("eth0", ip_interface("10.9.0.77/24"))
    door = replace(next(iter(TARGET.policy.management)), address=old.interface.ip)
    seen = Observation(
        links=TARGET.links, addresses=frozenset({old}), policy=Policy(management=frozenset({door}))
    )
    both = Policy(management=TARGET.policy.management | {door})
    assert not cuts(LoadPolicy(both), Put(TARGET.management), Drop(old), seen=seen)
    assert cuts(Drop(old), LoadPolicy(both), Put(TARGET.management), seen=seen)


def test_a_machine_without_a_way_must_get_one() -> None:
    blank = Observation()
    assert not cuts(LoadPolicy(TARGET.policy), Put(LINK), Put(TARGET.management), seen=blank)
    assert cuts(LoadPolicy(TARGET.policy), Put(LINK), seen=blank)


TAGGED = Vlan("cwv9-000000", "eth0", 9, 1500)
ON_VLAN = Address(TAGGED.device, TARGET.management.interface)
DOOR = replace(next(iter(TARGET.policy.management)), device=TAGGED.device)
WAY_BY_VLAN = Observation(
    links=frozenset({LINK}),
    vlans=frozenset({TAGGED}),
    addresses=frozenset({ON_VLAN}),
    policy=Policy(management=frozenset({DOOR})),
)


@pytest.mark.parametrize(
    "operation",
    [Drop(TAGGED), Drop(LINK), Drop(ON_VLAN), Put(BridgePort(TAGGED.device, "cwb1195"))],
    ids=["vlan", "trunk", "address", "port"],
)
def test_a_way_by_a_vlan_needs_the_vlan_and_its_trunk(operation: Operation) -> None:
    assert not cuts(seen=WAY_BY_VLAN)
    assert cuts(operation, seen=WAY_BY_VLAN)
    assert cuts(operation, Put(TAGGED), Put(LINK), Put(ON_VLAN), seen=WAY_BY_VLAN)


def test_a_vlan_that_is_down_is_no_way() -> None:
    down = replace(WAY_BY_VLAN, vlans=frozenset({replace(TAGGED, mtu=0)}))
    assert cuts(seen=down)
    assert not cuts(Put(TAGGED), seen=down)


def test_an_adapter_that_leaves_its_bridge_is_a_way_again() -> None:
    port = BridgePort("eth0", "cwb1195")
    joined = replace(HERE, ports=frozenset({port}))
    assert cuts(seen=joined)
    assert not cuts(Drop(port), seen=joined)
