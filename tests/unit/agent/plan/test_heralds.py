"""Replicas are told where other machines of their network are now, whenever that changes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import msgspec

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.operations import Announce
from causeway_wire.desired import Failover, Idle, Partial, ProviderRole
from tests import documents

REPLICA = documents.replica(20, "net-0", "192.168.0.20")
OTHER = documents.replica(21, "net-0", "192.168.0.21")
HOSTS = tuple(map(ip_address, ("192.168.0.20", "192.168.0.21", "2001:db8::30")))


def compiled(failover: Failover) -> Target:
    """The provider's target, the hosts of its first network known."""
    whole = documents.provider(failover)
    assert isinstance(whole.role, ProviderRole)
    first, *rest = whole.role.networks
    known = (msgspec.structs.replace(first, hosts=HOSTS), *rest)
    role = msgspec.structs.replace(whole.role, networks=known)
    return compile_document(msgspec.structs.replace(whole, role=role), documents.FACTS)


def announced(before: Target, after: Target) -> set[str]:
    """Addresses told on the way from one target to the other."""
    names = Observation.__dataclass_fields__.keys() & Target.__dataclass_fields__.keys()
    shown = {name: getattr(before, name) for name in names}
    plan = diff(Observation(**shown), after)
    return {str(op.claim.address) for op in plan.operations if isinstance(op, Announce)}


def test_the_way_from_full_to_partial_tells_the_replicas_who_is_behind_the_tunnel() -> None:
    full, partial = compiled(documents.full("net-0")), compiled(Partial(replicas=(REPLICA,)))
    assert announced(full, partial) == {"192.168.0.21", "2001:db8::30"}


def test_a_vm_that_returns_to_production_is_announced_and_one_that_leaves_is_not() -> None:
    one, two = compiled(Partial(replicas=(REPLICA,))), compiled(Partial(replicas=(REPLICA, OTHER)))
    assert "192.168.0.21" in announced(two, one)
    assert announced(one, two) == set()


def test_the_first_failover_waits_for_no_announcement() -> None:
    assert announced(compiled(Idle()), compiled(Partial(replicas=(REPLICA,)))) == set()


def test_nothing_is_told_while_nothing_moves() -> None:
    target = compiled(Partial(replicas=(REPLICA,)))
    assert announced(target, target) == set()
    assert announced(replace(target, sysctls=frozenset()), target) == set()


def test_without_partial_failover_there_is_nobody_to_tell() -> None:
    for failover in (documents.full("net-0"), documents.rehearsal("net-0")):
        assert compiled(failover).heralded == frozenset()
