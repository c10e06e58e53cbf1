"""How long a run waits: for slow appliances longer, for hosts and replicas as long as ever."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from causeway_controller.contract.halves import HOLD_SECONDS
from causeway_controller.peers.half import HalfPatience
from causeway_controller.settings import PATIENCE
from causeway_controller.workflows.timing import Timing
from causeway_lab.world import pace


def apart(timing: Timing) -> Iterator[str]:
    """Which deadlines do not nest; decision 36 needs that they do."""
    tenant = timing.tunnel + timing.courtesy
    if tenant >= timing.confirm:
        yield f"a tunnel is waited for {tenant:.0f} s, and after {timing.confirm} s given up"
    held = math.ceil(timing.change + timing.confirm + timing.courtesy + HalfPatience().hold)
    if held > HOLD_SECONDS:
        yield f"the provider's half would be held for {held} s, and is for {HOLD_SECONDS} s at the most"


def test_patience_is_with_appliances_alone() -> None:
    usual = Timing()
    longer = usual.longer(8.0)
    assert (longer.boot, longer.change, longer.tunnel) == (8 * 180.0, 8 * 30.0, 8 * 15.0)
    same = {name: getattr(usual, name) for name in ("boot", "change", "courtesy", "tunnel", "mode", "trial")}
    assert replace(longer, **same, confirm=usual.confirm) == usual


@pytest.mark.parametrize("times", range(1, PATIENCE + 1))
def test_deadlines_nest_however_patient_the_settings_may_be(times: int) -> None:
    longer = Timing().longer(float(times))
    assert [*apart(longer)] == []
    assert longer.tunnel < longer.confirm


def test_more_patience_than_the_settings_take_would_not_nest() -> None:
    (said,) = apart(Timing().longer(float(PATIENCE + 1)))
    assert "for 600 s at the most" in said
    (said,) = apart(replace(Timing(), tunnel=120.0))
    assert said.startswith("a tunnel is waited for 123 s, and after 120 s")


@pytest.mark.parametrize("one", [pace.PROCESSES, pace.LINES, pace.MACHINES])
def test_deadlines_of_the_lab_nest(one: pace.Pace) -> None:
    assert [*apart(one.workflow)] == []
