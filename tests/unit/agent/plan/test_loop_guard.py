"""When the loop guard opens a bridge, and when it closes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan.steer import loop_guard
from causeway_agent.plan.steer.loop_guard import HOLD, INTERVAL, QUIET, Guard, Verdict

OWN, PEER, STRANGER = b"own", b"peer", b"stranger"


def listening() -> Guard:
    return Guard(own=OWN, since=0.0)


def opened(now: float = 10.0) -> Guard:
    guard = loop_guard.passed(loop_guard.met(listening(), PEER, now - QUIET), now)
    assert guard.verdict is Verdict.OPEN
    return guard


def test_a_bridge_opens_after_both_ends_were_listened_to() -> None:
    assert loop_guard.passed(listening(), 1000.0).verdict is Verdict.LISTENING, "nobody at the far end yet"
    met = loop_guard.met(listening(), PEER, 5.0)
    assert loop_guard.passed(met, 5.0 + QUIET - 0.01).verdict is Verdict.LISTENING
    assert loop_guard.passed(met, 5.0 + QUIET).verdict is Verdict.OPEN
    assert QUIET > INTERVAL, "each end has probed at least once"


def test_the_same_greeting_again_does_not_prolong_listening() -> None:
    met = loop_guard.met(listening(), PEER, 5.0)
    again = loop_guard.met(met, PEER, 5.0 + INTERVAL)
    assert loop_guard.passed(again, 5.0 + QUIET).verdict is Verdict.OPEN


def test_a_probe_of_either_end_on_the_segment_closes_at_once() -> None:
    for number in (OWN, PEER):
        assert loop_guard.heard(opened(), number, 11.0).verdict is Verdict.BLOCKED
    before = loop_guard.met(listening(), PEER, 5.0)
    assert loop_guard.heard(before, PEER, 5.1).verdict is Verdict.BLOCKED, "it never opens"


def test_probes_of_other_appliances_change_nothing() -> None:
    assert loop_guard.heard(opened(), STRANGER, 11.0) == opened()


def test_it_stays_closed_while_probes_are_heard_and_a_while_after() -> None:
    guard = loop_guard.heard(opened(), PEER, 11.0)
    for tick in range(100):
        guard = loop_guard.heard(loop_guard.passed(guard, 11.0 + tick), PEER, 11.0 + tick)
        assert guard.verdict is Verdict.BLOCKED
    assert loop_guard.passed(guard, 110.0 + HOLD - 0.1).verdict is Verdict.BLOCKED
    assert loop_guard.passed(guard, 110.0 + HOLD).verdict is Verdict.OPEN


def test_a_far_end_that_begins_anew_leaves_an_open_bridge_open_and_is_believed() -> None:
    guard = loop_guard.met(opened(), STRANGER, 12.0)
    assert guard.verdict is Verdict.OPEN
    assert loop_guard.heard(guard, STRANGER, 12.1).verdict is Verdict.BLOCKED
    assert loop_guard.heard(guard, PEER, 12.1).verdict is Verdict.OPEN, "of a run that is over"


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["met", "heard", "passed"]), st.sampled_from([OWN, PEER, STRANGER])),
    max_size=40,
)


@given(_EVENTS, st.floats(0.01, 1.0))
def test_it_is_never_open_within_the_hold_time_after_a_loop(
    events: list[tuple[str, bytes]], step: float
) -> None:
    guard, now, looped = listening(), 0.0, None
    for what, number in events:
        now += step
        if what == "met" and number is not OWN:
            guard = loop_guard.met(guard, number, now)
        elif what == "heard":
            looped = now if number in (guard.own, guard.peer) else looped
            guard = loop_guard.heard(guard, number, now)
        else:
            guard = loop_guard.passed(guard, now)
        if looped is not None and now - looped < HOLD:
            assert guard.verdict is Verdict.BLOCKED
