"""What of a line the kernel's netem is asked for."""

from __future__ import annotations

import pytest

from causeway_lab.world.line import netem
from causeway_lab.world.line.conditions import Blocked, Conditions, Direction, Way

CLEAR = Conditions()


def test_delay_loss_and_duplication_are_netem_s_in_order() -> None:
    root, inside = netem.discipline(Way(delay=0.04, jitter=0.02, loss=0.01, duplicate=0.005))
    assert " ".join(root) == (
        "root handle 1: netem limit 100000 delay 40000us 20000us loss 1% duplicate 0.5%"
    )
    assert " ".join(inside) == "parent 1:1 handle 10: pfifo limit 100000"


def test_a_clear_direction_only_queues() -> None:
    assert " ".join(next(netem.discipline(Way()))) == "root handle 1: netem limit 100000"


def test_netem_can_what_it_does_as_a_line_does() -> None:
    assert netem.can(CLEAR.changed(Direction.UP, delay=0.04, jitter=0.02, loss=0.01, duplicate=0.1))
    assert netem.can(CLEAR.changed(loss=0.01, icmp=False))


@pytest.mark.parametrize(
    "conditions",
    [
        CLEAR.changed(mtu=1400),
        CLEAR.changed(Direction.DOWN, mtu=1400),
        CLEAR.changed(rate=1_000_000),
        CLEAR.changed(pause_every=5.0, pause_for=0.5),
        CLEAR.changed(reorder_every=50, reorder_depth=90),
        CLEAR.changed(blocked=(Blocked.UDP,)),
        Conditions(nat=True),
        Conditions(seed=1).changed(loss=0.01),
    ],
)
def test_all_else_stays_in_user_space(conditions: Conditions) -> None:
    assert not netem.can(conditions)
