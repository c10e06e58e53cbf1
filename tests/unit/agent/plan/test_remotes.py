"""Which endpoint a tunnel client takes next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan.steer import remotes
from causeway_agent.plan.steer.remotes import (
    Answering,
    Connected,
    Ended,
    Event,
    Failed,
    LookedInVain,
    Proven,
    RemoteState,
)
from causeway_wire.observed import Transport

UDP, TCP = Transport.UDP, Transport.TCP
TWO_GATEWAYS = (UDP, TCP, UDP, TCP)


def after(state: RemoteState, *events: Event) -> RemoteState:
    for event in events:
        state = remotes.advance(state, event)
    return state


def working(transports: tuple[Transport, ...], endpoint: int) -> RemoteState:
    """A tunnel that has proven itself over this endpoint."""
    return after(remotes.begin(transports), Connected(endpoint, 0.1), Proven())


def order(state: RemoteState, attempts: int, answering: frozenset[int] = frozenset()) -> list[int]:
    """Endpoints tried when every attempt fails."""
    tried = []
    for _ in range(attempts):
        tried.append(remotes.attempt(state, answering).endpoint)
        state = remotes.advance(state, Failed(tried[-1]))
    return tried


def test_udp_comes_before_tcp_each_in_the_document_s_order() -> None:
    assert order(remotes.begin(TWO_GATEWAYS), 5) == [0, 2, 1, 3, 0]


def test_a_client_without_endpoints_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        remotes.begin(())


def test_the_endpoint_that_worked_is_tried_first_then_the_others() -> None:
    assert order(working(TWO_GATEWAYS, 2), 4) == [2, 0, 1, 3]


def test_a_gateway_that_answers_is_tried_before_one_that_does_not() -> None:
    assert order(working(TWO_GATEWAYS, 0), 4, frozenset({2})) == [2, 0, 1, 3]
    assert order(working(TWO_GATEWAYS, 0), 4, frozenset({0, 2})) == [0, 2, 1, 3]


def test_an_endpoint_that_connects_and_carries_nothing_is_not_taken_again_at_once() -> None:
    connected = after(remotes.begin(TWO_GATEWAYS), Connected(0, 0.1), Failed(0))
    assert order(connected, 3, frozenset({0})) == [2, 1, 3]


def test_over_udp_a_gateway_that_answers_earns_time_to_send_lost_datagrams_again() -> None:
    udp = remotes.attempt(remotes.begin((UDP, TCP)))
    assert (udp.deadline, udp.patience) == (remotes.FIRST_DEADLINE, remotes.PATIENCE)
    tcp = remotes.attempt(remotes.begin((TCP,)))
    assert tcp.deadline == tcp.patience


def test_where_udp_is_blocked_tcp_need_not_wait_for_every_gateway() -> None:
    state, waited = remotes.begin((UDP, UDP, UDP, UDP, TCP)), 0.0
    while (attempt := remotes.attempt(state)).endpoint != 4:
        waited += attempt.deadline
        state = remotes.advance(state, Failed(attempt.endpoint))
    assert waited < 4.0
    assert attempt.deadline == remotes.FIRST_DEADLINE


def test_the_first_round_has_no_pauses_and_later_ones_are_more_patient() -> None:
    state = remotes.begin((UDP, TCP))
    assert remotes.attempt(after(state, Failed(0))).delay == 0.0
    second = remotes.attempt(after(state, Failed(0), Failed(1)))
    assert (second.delay, second.deadline) == (remotes.SHORTEST_DELAY, 2 * remotes.FIRST_DEADLINE)
    late = remotes.attempt(after(state, *[Failed(0), Failed(1)] * 50))
    assert (late.delay, late.deadline) == (remotes.LONGEST_DELAY, remotes.LONGEST_DEADLINE)


def test_a_slow_path_gets_the_time_it_once_took() -> None:
    state = after(remotes.begin((UDP,)), Connected(0, 1.5))
    assert remotes.attempt(state).deadline == 1.5 * remotes.SLOW_PATH_FACTOR


def test_udp_that_is_looked_for_from_tcp_gets_the_time_that_the_path_took_too() -> None:
    quick, slow = (after(remotes.begin((UDP, TCP)), Connected(1, took), Proven()) for took in (0.1, 4.0))
    assert remotes.look(quick, frozenset()).patience == remotes.PATIENCE
    found = remotes.look(slow, frozenset({0}))
    assert found.deadline == found.patience == 4.0 * remotes.SLOW_PATH_FACTOR


def test_a_tunnel_on_tcp_looks_for_udp_soon_and_ever_more_rarely_while_that_is_in_vain() -> None:
    on_tcp = working((UDP, TCP), 1)
    heard = frozenset({0})
    assert remotes.look_after(on_tcp, heard) == remotes.LOOK_SOON
    assert remotes.look_after(on_tcp, frozenset()) == remotes.LOOK_BLINDLY
    in_vain = after(on_tcp, LookedInVain(), LookedInVain())
    assert remotes.look_after(in_vain, heard) == 4 * remotes.LOOK_SOON
    assert remotes.look_after(after(in_vain, *[LookedInVain()] * 30), heard) == remotes.LOOK_RARELY
    assert remotes.look_after(after(in_vain, Answering()), heard) == remotes.LOOK_SOON
    assert remotes.look_after(after(in_vain, Connected(0, 0.1), Proven()), heard) is None


def test_gateways_that_answer_are_looked_for_in_turn() -> None:
    on_tcp = working(TWO_GATEWAYS, 1)
    both = frozenset({0, 2})
    assert remotes.look(on_tcp, both).endpoint == 0
    assert remotes.look(after(on_tcp, LookedInVain()), both).endpoint == 2
    assert remotes.look(on_tcp, frozenset({2})).endpoint == 2


@pytest.mark.parametrize("transports", [(UDP,), (TCP,), (UDP, UDP)])
def test_without_an_alternative_nothing_is_looked_for(transports: tuple[Transport, ...]) -> None:
    assert remotes.look_after(working(transports, 0), frozenset({0})) is None


def test_a_client_found_running_starts_from_its_endpoint() -> None:
    assert order(remotes.begin(TWO_GATEWAYS, current=3), 4) == [0, 2, 3, 1]


def test_a_lost_connection_over_tcp_is_made_anew_over_tcp_unless_a_gateway_answers_over_udp() -> None:
    lost = after(working(TWO_GATEWAYS, 3), Ended())
    assert order(lost, 4) == [3, 1, 0, 2]
    assert order(lost, 4, frozenset({2})) == [2, 0, 3, 1]
    assert order(after(working(TWO_GATEWAYS, 2), Ended()), 4) == [2, 0, 1, 3]


def test_beside_a_silent_way_over_tcp_udp_is_tried_first() -> None:
    assert order(working(TWO_GATEWAYS, 3), 4) == [0, 2, 3, 1]
    back = after(working(TWO_GATEWAYS, 3), Ended(), Connected(1, 0.1))
    assert order(back, 4) == [0, 2, 1, 3]


EVENTS = st.one_of(
    st.builds(Connected, st.integers(0, 5), st.floats(0, 10)),
    st.builds(Failed, st.integers(0, 5)),
    st.sampled_from([Proven(), Ended(), LookedInVain(), Answering()]),
)


@given(
    st.lists(st.sampled_from(Transport), min_size=6, max_size=6),
    st.lists(EVENTS, max_size=40),
    st.frozensets(st.integers(0, 5)),
)
def test_whatever_happens_every_endpoint_is_tried_again(
    transports: list[Transport], events: list[Event], answering: frozenset[int]
) -> None:
    state = after(remotes.begin(tuple(transports)), *events)
    assert set(order(state, 2 * len(transports), answering)) == set(range(len(transports)))
    attempt = remotes.attempt(state, answering)
    assert 0 <= attempt.delay <= remotes.LONGEST_DELAY
    assert attempt.patience >= attempt.deadline >= remotes.NEXT_DEADLINE


def test_a_process_that_lived_is_restarted_at_once_one_that_dies_young_ever_later() -> None:
    assert remotes.restart_delay(2.0, lived=5.0) == 0.0
    delays = [0.0]
    for _ in range(8):
        delays.append(remotes.restart_delay(delays[-1], lived=0.1))
    assert delays == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
