"""The closed form of a target: controllers find their door, nothing else passes or is drawn here."""

from __future__ import annotations

from hypothesis import given

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.steer.closed import closed, closing
from causeway_agent.plan.steer.operations import LoadPolicy, Put
from causeway_wire.desired import Desired
from tests import documents


@given(documents.MEANT)
def test_a_closed_target_has_its_door_and_forwards_claims_and_answers_nothing(document: Desired) -> None:
    target = compile_document(document, documents.FACTS)
    shut = closed(target)
    assert shut.policy.management == target.policy.management
    for permission in ("forwards", "ways", "internet", "listeners", "arp", "relays", "owned"):
        assert getattr(shut.policy, permission) == frozenset(), permission
    assert shut.proxies == frozenset()
    assert not [address for address in shut.addresses if address.claimed]
    assert not [s for s in shut.sysctls if s.key.endswith("/forwarding") and s.value != "0"]
    assert target.management in shut.addresses
    assert (shut.tuns, shut.routes, shut.rules, shut.processes) == (
        target.tuns,
        target.routes,
        target.rules,
        target.processes,
    )


@given(documents.MEANT, documents.MEANT)
def test_closing_keeps_both_doors_and_switches_off_what_either_forwards(old: Desired, new: Desired) -> None:
    first, second = (compile_document(each, documents.FACTS) for each in (old, new))
    load, *switches = closing(first, second)
    assert isinstance(load, LoadPolicy)
    assert load.policy.management == first.policy.management | second.policy.management
    assert not load.policy.forwards
    on = {s.key for s in first.sysctls | second.sysctls if s.key.endswith("/forwarding") and s.value != "0"}
    assert {op.item.key for op in switches if isinstance(op, Put) and op.item.value == "0"} == on  # type: ignore[union-attr]
