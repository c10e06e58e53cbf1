"""The laws of planning, over documents, drift and every prefix of a plan."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causeway_agent.plan.model.objects import KernelObject
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import TlsProxy
from causeway_agent.plan.model.target import Target
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.guard import guard
from causeway_agent.plan.steer.operations import Announce, Drop, Put, Start
from tests import documents
from tests.fakes.kernel import KernelModel
from tests.planning import booted, carry_out, compiled

BELOW_IP = ("vlans", "tuns", "bridges", "ports")


TARGETS = st.builds(compiled, documents.MEANT, documents.ACTIVE)


def meddle(data: st.DataObject, machine: KernelModel) -> None:
    """Somebody else takes away some of what is ours."""
    ours: list[KernelObject] = [
        *machine.links,
        *machine.vlans,
        *machine.tuns,
        *machine.bridges,
        *machine.ports,
        *(address for address in machine.addresses if address != machine.foreign),
        *machine.routes,
        *machine.rules,
        *machine.proxies,
    ]
    for item in data.draw(st.lists(st.sampled_from(sorted(ours, key=repr)), max_size=3, unique=True)):
        machine.apply(Drop(item))
    unreadable = data.draw(st.booleans())
    if unreadable:
        machine.policy = None
    died = data.draw(st.booleans())
    if machine.processes and died:
        machine.processes.popitem()


LAW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def reached(old: Target, new: Target, data: st.DataObject) -> KernelModel:
    """A machine of the old target, meddled with, after the plan to the new one."""
    machine = booted(old)
    meddle(data, machine)
    carry_out(machine, new, old, new)
    return machine


@LAW
@given(old=TARGETS, new=TARGETS, data=st.data())
def test_planning_twice_is_empty(old: Target, new: Target, data: st.DataObject) -> None:
    assert diff(reached(old, new, data).observe(old, new), new).operations == ()


@LAW
@given(old=TARGETS, new=TARGETS, data=st.data())
def test_applying_the_plan_reaches_the_target(old: Target, new: Target, data: st.DataObject) -> None:
    machine = reached(old, new, data)
    seen = machine.observe(old, new)
    for kind in (*BELOW_IP, "addresses", "routes", "rules", "proxies", "policy", "processes"):
        assert getattr(seen, kind) == getattr(new, kind), kind
    assert new.sysctls <= seen.sysctls
    assert new.links <= seen.links


@LAW
@given(old=TARGETS, new=TARGETS, data=st.data())
def test_recovery_from_any_prefix_reaches_either_target(
    old: Target, new: Target, data: st.DataObject
) -> None:
    machine = booted(old)
    operations = diff(machine.observe(old, new), new).operations
    for operation in operations[: data.draw(st.integers(0, len(operations)))]:
        machine.apply(operation)
    goal = data.draw(st.sampled_from([old, new]))
    carry_out(machine, goal, old, new)
    assert not diff(machine.observe(old, new), goal)


@LAW
@given(old=TARGETS, new=TARGETS)
def test_every_prefix_keeps_management_reachable(old: Target, new: Target) -> None:
    machine = booted(old)
    observation = machine.observe(old, new)
    plan = diff(observation, new)
    doors = old.policy.management | new.policy.management
    assert guard(plan, new, observation) == ()
    for operation in plan.operations:
        machine.apply(operation)
        up = {link.device for link in machine.links}
        up |= {vlan.device for vlan in machine.vlans if vlan.parent in up}
        held = {(a.device, a.interface.ip) for a in machine.addresses if a.device in up}
        assert machine.policy is not None
        assert any((door.device, door.address) in held for door in machine.policy.management & doors)


@LAW
@given(old=TARGETS, new=TARGETS)
def test_no_prefix_allows_what_neither_old_nor_new_allows(old: Target, new: Target) -> None:
    machine = booted(old)
    for operation in diff(machine.observe(old, new), new).operations:
        machine.apply(operation)
        assert machine.policy is not None
        assert_within(machine.policy, old.policy, new.policy)


def assert_within(now: Policy, old: Policy, new: Policy) -> None:
    for kind in ("management", "listeners", "echoes", "sources", "forwards", "owned", "ways", "internet"):
        assert getattr(now, kind) <= getattr(old, kind) | getattr(new, kind), kind
    for restriction in ("guarded", "denied", "foreign"):
        here, there = getattr(old, restriction), getattr(new, restriction)
        assert getattr(now, restriction) >= here & there, restriction
        assert now == new or getattr(now, restriction) >= here, restriction
    for scope in now.arp:
        like = [s for s in old.arp | new.arp if (s.device, s.prefix) == (scope.device, scope.prefix)]
        assert any(scope.excluded >= s.excluded for s in like)
    for relay in now.relays:
        alike = [r for r in old.relays | new.relays if r.place == relay.place]
        assert relay.servers <= frozenset().union(*(r.servers for r in alike))
        assert relay.tags <= frozenset().union(*(r.tags for r in alike))
        assert relay.unnamed <= any(r.unnamed for r in alike)


@LAW
@given(old=TARGETS, new=TARGETS, data=st.data())
def test_no_plan_touches_foreign_objects(old: Target, new: Target, data: st.DataObject) -> None:
    machine = booted(old)
    meddle(data, machine)
    for operation in diff(machine.observe(old, new), new).operations:
        assert machine.foreign.device not in repr(operation)
        machine.apply(operation)
    assert machine.foreign in machine.addresses


@LAW
@given(old=TARGETS, new=TARGETS)
def test_claims_come_when_the_first_packet_can_be_carried_and_only_fallbacks_follow(
    old: Target, new: Target
) -> None:
    machine = booted(old)
    plan = diff(machine.observe(old, new), new)
    announcing = False
    for operation in plan.operations:
        machine.apply(operation)
        claim = isinstance(operation, Announce) or (
            isinstance(operation, Put) and getattr(operation.item, "claimed", False)
        )
        fallback = isinstance(operation, Start) and isinstance(operation.process, TlsProxy)
        assert claim or fallback or not announcing
        if claim:
            announcing = True
            assert machine.policy == new.policy
            missing = new.processes - frozenset(machine.processes.values())
            assert all(isinstance(process, TlsProxy) for process in missing)
            assert new.sysctls <= machine.observe(new).sysctls
