"""Who sends more than a share of what a tunnel carries."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan.filter import load as filtered
from causeway_agent.plan.steer import load
from causeway_agent.plan.steer.load import Flow, Pressure, Sender

HOG, NEIGHBOUR = b"\2\0\0\0\0\7", b"\2\0\0\0\0\1"
FULL, ROOM = Flow(sent=1000, dropped=2000), Flow(sent=900, dropped=0)
OFFERED = {HOG: 2950.0, NEIGHBOUR: 50.0}


def pressed(offered: Mapping[bytes, float] = OFFERED, now: float = 0.0) -> Pressure:
    """A tunnel that had no room for as long as it takes to be sure."""
    found = load.judge(None, FULL, {}, now)
    for _ in range(1, load.LOOKS):
        assert found is not None
        assert found.slowed == {}
        found = load.judge(found, FULL, offered, now)
    assert found is not None
    return found


def test_a_tunnel_with_room_is_nobodys_business() -> None:
    assert load.judge(None, Flow(sent=50_000, dropped=500), {}, 0.0) is None


def test_a_tunnel_that_does_not_work_holds_nobody_to_what_it_does_not_carry() -> None:
    stuck = Flow(sent=0, dropped=2000)
    assert load.judge(None, stuck, {}, 0.0) is None
    assert load.judge(pressed(), stuck, OFFERED, 0.5) is None


def test_nor_does_one_that_drops_for_a_moment() -> None:
    found = load.judge(load.judge(None, FULL, {}, 0.0), ROOM, OFFERED, 0.5)
    for now in (1.0, 1.5):
        found = load.judge(found, FULL, OFFERED, now)
        assert found is not None
        assert found.slowed == {}


def test_who_sends_too_much_gets_what_the_others_leave() -> None:
    found = pressed()
    assert (set(found.slowed), found.share) == ({HOG}, 700 - 50)


def test_of_two_who_send_too_much_each_gets_half() -> None:
    found = pressed({HOG: 2000.0, NEIGHBOUR: 900.0})
    assert (set(found.slowed), found.share) == ({HOG, NEIGHBOUR}, 350)


def test_who_goes_on_gets_more_until_the_tunnel_drops_again() -> None:
    known: Pressure | None = pressed()
    shares = []
    for second in range(1, 40):
        known = load.judge(known, ROOM, OFFERED, float(second))
        assert known is not None
        shares.append(known.share)
    assert shares == sorted(shares)
    assert (shares[0], shares[15]) == (650, 900)
    assert shares[-1] > 1000
    again = load.judge(known, FULL, OFFERED, 40.0)
    assert again is not None
    assert (again.share, set(again.slowed)) == (650, {HOG})


def test_a_tcp_that_fits_in_its_share_is_held_to_it_while_it_wants_more() -> None:
    found = load.judge(pressed(), ROOM, {HOG: 640.0, NEIGHBOUR: 50.0}, load.HELD - 1)
    assert found is not None
    assert found.slowed[HOG] == load.HELD - 1 + load.HELD


def test_who_wants_no_more_is_let_go_and_the_tunnel_forgotten() -> None:
    quiet = {HOG: 10.0, NEIGHBOUR: 50.0}
    found = load.judge(pressed(), ROOM, quiet, 1.0)
    assert found is not None
    assert found.slowed.keys() == {HOG}
    assert load.judge(found, ROOM, quiet, load.HELD + 1) is None


def test_one_moment_in_which_a_tunnel_carried_little_takes_nobody_everything() -> None:
    found = load.judge(pressed(), Flow(sent=100, dropped=500), OFFERED, 1.0)
    assert found is not None
    assert found.carries == 700


@given(
    st.dictionaries(
        st.binary(min_size=6, max_size=6), st.floats(0, 1e6), min_size=1, max_size=load.HELD_AT_ONCE
    )
)
def test_nobody_below_a_share_is_slowed_and_no_share_is_nothing(offered: dict[bytes, float]) -> None:
    found = pressed(offered)
    assert found.share >= 700 // load.MOST
    assert found.slowed.keys() == {mac for mac, rate in offered.items() if int(rate) > found.share}


def test_who_sends_under_ever_new_addresses_does_not_fill_the_set_of_those_held() -> None:
    found: Pressure | None = pressed()
    for look in range(1, 20):
        forged = {b"\2\0\0\0" + bytes((look, each)): 500.0 for each in range(200)}
        found = load.judge(found, FULL, {HOG: 5000.0, **forged}, 0.5 * look)
        assert found is not None
        assert len(found.slowed) <= load.HELD_AT_ONCE
        assert HOG in found.slowed


def test_the_packet_filter_is_told_devices_and_rates() -> None:
    limited = '"cwu1195" . 02:00:00:00:00:07 limit rate over 800/second burst 80 packets'
    text = filtered.commands("inet causeway", {"cwu1195"}, {Sender("cwu1195", HOG): 800})
    assert text.splitlines() == [
        "flush set inet causeway pressed",
        'add element inet causeway pressed { "cwu1195" }',
        "flush set inet causeway slowed",
        f"add element inet causeway slowed {{ {limited} }}",
    ]
    assert "element" not in filtered.commands("inet causeway", (), {})
