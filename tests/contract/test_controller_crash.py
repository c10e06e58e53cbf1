"""A part of `make crash-matrix`: a real controller is killed, or stopped and woken; another takes over."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.controller_crash.matrix import Round, all_cases

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize(
    ("moment", "sign"), [("after", signal.SIGKILL), ("remembered", signal.SIGSTOP)], ids=["kill", "stop"]
)
async def test_a_second_controller_brings_every_run_to_its_end(
    tmp_path: Path, moment: str, sign: signal.Signals
) -> None:
    cases, calm = await all_cases(tmp_path, ["fail-over", "escalate"])
    report = await Round(f"sqlite:///{tmp_path}/causeway.db", tmp_path, cases, calm).run(moment, sign)
    assert report.cases == len(cases) > 10
    assert (report.lost, report.doubled, report.zombie_accepted) == ((), (), 0)
