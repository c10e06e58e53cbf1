"""Conditions of a line as people write and read them."""

from __future__ import annotations

import pytest

from causeway_lab.commands import line_options
from causeway_lab.world.line import wording
from causeway_lab.world.line.conditions import Blocked, ConditionError, Conditions, Way
from causeway_lab.world.line.wording import Wording

CLEAR = Conditions()


def test_every_option_is_read() -> None:
    read = line_options.conditions(
        "--delay 40ms --jitter 20ms --loss 1% --duplicate 0.5% --reorder 50:90 --pause 5s:800ms --rate 20mbit"
        " --queue 64k --mtu 1400 --no-icmp --block udp --block ipv4 --rebind-every 5s --seed 7"
    )
    way = Way(
        delay=0.04,
        jitter=0.02,
        loss=0.01,
        duplicate=0.005,
        reorder_every=50,
        reorder_depth=90,
        pause_every=5.0,
        pause_for=0.8,
        rate=20_000_000,
        queue=65536,
        mtu=1400,
        icmp=False,
        blocked=(Blocked.UDP, Blocked.IPV4),
    )
    assert read == Conditions(up=way, down=way, nat=True, rebind_every=5.0, seed=7)


def test_what_is_left_out_stays_and_a_direction_is_alone() -> None:
    before = wording.applied(CLEAR, Wording(delay="40ms"))
    after = wording.applied(before, Wording(loss="100%", direction="down"))
    assert after == Conditions(up=Way(delay=0.04), down=Way(delay=0.04, loss=1.0))
    assert wording.told(after) == ("up: 40 ms", "down: 40 ms, 100 % lost")


def test_a_clear_line_is_told_and_is_clear() -> None:
    assert line_options.conditions("").clear
    assert wording.told(CLEAR) == ("clear",)
    assert not Conditions(nat=True).clear
    assert wording.told(Conditions(nat=True)) == ("ports translated",)


@pytest.mark.parametrize(
    ("wrong", "option", "value"),
    [
        (Wording(delay="40"), "--delay", "'40'"),
        (Wording(delay="-1ms"), "--delay", "'-1ms'"),
        (Wording(delay="90s"), "--delay", "'90s'"),
        (Wording(jitter="20ms"), "--jitter", "'20ms'"),
        (Wording(loss="200%"), "--loss", "'200%'"),
        (Wording(loss="one"), "--loss", "'one'"),
        (Wording(duplicate="101%"), "--duplicate", "'101%'"),
        (Wording(reorder="50"), "--reorder", "'50'"),
        (Wording(reorder="1:90"), "--reorder", "'1:90'"),
        (Wording(reorder="50:0"), "--reorder", "'50:0'"),
        (Wording(pause="1s:2s"), "--pause", "'1s:2s'"),
        (Wording(pause="5s"), "--pause", "'5s'"),
        (Wording(rate="7kbit"), "--rate", "'7kbit'"),
        (Wording(queue="1"), "--queue", "'1'"),
        (Wording(mtu="100"), "--mtu", "'100'"),
        (Wording(mtu="99999"), "--mtu", "'99999'"),
        (Wording(block=("icmp",)), "--block", "'icmp'"),
        (Wording(loss="1%", direction="left"), "--direction", "'left'"),
        (Wording(rebind_every="10ms"), "--rebind-every", "'10ms'"),
    ],
)
def test_a_mistake_is_told_with_its_option(wrong: Wording, option: str, value: str) -> None:
    with pytest.raises(ConditionError) as raised:
        wording.applied(CLEAR, wrong)
    assert str(raised.value).startswith(f"{option} is ")
    assert value in str(raised.value)


@pytest.mark.parametrize("text", ["--nonsense", "--delay", "--mtu 1400 'open"])
def test_an_option_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ConditionError, match="--line"):
        line_options.conditions(text)
