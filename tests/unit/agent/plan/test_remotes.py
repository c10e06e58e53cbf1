"""Which endpoint a tunnel client takes next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan import remotes
from causeway_agent.plan.remotes import (
    AttemptFailed,
    Connected,
    Event,
    LivenessLost,
    ProcessDied,
    ReconsiderDue,
    RemoteState,
)
from causeway_wire.observed import Transport

UDP, TCP = Transport.UDP, Transport.TCP
TWO_GATEWAYS = (UDP, TCP, UDP, TCP)


def after(state: RemoteState, *events: Event) -> RemoteState:
    for event in events:
        state = remotes.advance(state, event)
    return state


def order(state: RemoteState, attempts: int) -> list[int]:
    """Endpoints tried when every attempt fails."""
    tried = []
    for _ in range(attempts):
        tried.append(remotes.attempt(state).endpoint)
        state = remotes.advance(state, AttemptFailed())
    return tried


def test_udp_comes_before_tcp_each_in_the_document_s_order() -> None:
    assert order(remotes.begin(TWO_GATEWAYS), 5) == [0, 2, 1, 3, 0]


def test_a_client_without_endpoints_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        remotes.begin(())


@pytest.mark.parametrize("event", [LivenessLost(), ProcessDied()])
def test_a_working_endpoint_is_tried_once_more_at_once_then_the_others(event: Event) -> None:
    lost = after(remotes.begin(TWO_GATEWAYS), AttemptFailed(), Connected(0.1), event)
    assert remotes.attempt(lost) == remotes.Attempt(endpoint=2, delay=0.0, deadline=1.0)
    assert order(lost, 4) == [2, 0, 1, 3]


def test_the_first_round_has_no_pauses_and_later_ones_are_more_patient() -> None:
    state = remotes.begin((UDP, TCP))
    assert remotes.attempt(after(state, AttemptFailed())).delay == 0.0
    second = remotes.attempt(after(state, AttemptFailed(), AttemptFailed()))
    assert (second.delay, second.deadline) == (remotes.SHORTEST_DELAY, 2.0)
    late = remotes.attempt(after(state, *[AttemptFailed()] * 100))
    assert (late.delay, late.deadline) == (remotes.LONGEST_DELAY, remotes.LONGEST_DEADLINE)


def test_a_slow_path_gets_the_time_it_once_took() -> None:
    state = after(remotes.begin((UDP,)), Connected(1.5), LivenessLost())
    assert remotes.attempt(state).deadline == 1.5 * remotes.SLOW_PATH_FACTOR


def test_a_tunnel_on_tcp_looks_for_udp_ever_more_rarely_and_returns() -> None:
    on_tcp = after(remotes.begin((UDP, TCP)), AttemptFailed(), Connected(0.1))
    assert remotes.reconsider_after(on_tcp) == remotes.RECONSIDER_AFTER
    looking = after(on_tcp, ReconsiderDue())
    assert order(looking, 2) == [0, 1]
    in_vain = after(looking, AttemptFailed(), Connected(0.1))
    assert remotes.reconsider_after(in_vain) == 2 * remotes.RECONSIDER_AFTER
    found = after(looking, Connected(0.1))
    assert remotes.reconsider_after(found) is None
    assert found.reconsidered == 0


@pytest.mark.parametrize("transports", [(UDP,), (TCP,), (UDP, UDP)])
def test_without_an_alternative_nothing_is_reconsidered(transports: tuple[Transport, ...]) -> None:
    assert remotes.reconsider_after(after(remotes.begin(transports), Connected(0.1))) is None


def test_a_client_found_running_starts_from_its_endpoint() -> None:
    assert order(remotes.begin(TWO_GATEWAYS, current=3), 4) == [3, 0, 2, 1]


EVENTS = st.one_of(
    st.builds(Connected, st.floats(0, 10)),
    st.sampled_from([AttemptFailed(), LivenessLost(), ProcessDied(), ReconsiderDue()]),
)


@given(st.lists(st.sampled_from(Transport), min_size=1, max_size=6), st.lists(EVENTS, max_size=40))
def test_whatever_happens_every_endpoint_is_tried_again(
    transports: list[Transport], events: list[Event]
) -> None:
    state = after(remotes.begin(tuple(transports)), *events)
    assert set(order(state, 2 * len(transports))) == set(range(len(transports)))
    attempt = remotes.attempt(state)
    assert 0 <= attempt.delay <= remotes.LONGEST_DELAY
    assert attempt.deadline >= remotes.FIRST_DEADLINE


def test_a_process_that_lived_is_restarted_at_once_one_that_dies_young_ever_later() -> None:
    assert remotes.restart_delay(2.0, lived=5.0) == 0.0
    delays = [0.0]
    for _ in range(8):
        delays.append(remotes.restart_delay(delays[-1], lived=0.1))
    assert delays == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
