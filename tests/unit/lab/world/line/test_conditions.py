"""What is asked of a line's conditions."""

from __future__ import annotations

import pytest

from causeway_lab.world.line.conditions import Blocked, Conditions, Direction

CLEAR = Conditions()


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(("blocked", "left"), [(Blocked.IPV4, 6), (Blocked.IPV6, 4)])
def test_an_ip_version_that_is_blocked_one_way_is_not_carried(
    direction: Direction, blocked: Blocked, left: int
) -> None:
    line = CLEAR.changed(direction, blocked=(blocked, Blocked.UDP))
    assert [version for version in (4, 6) if line.carries(version)] == [left]


def test_a_clear_line_carries_both() -> None:
    assert CLEAR.carries(4)
    assert CLEAR.carries(6)
