"""What the benchmark of a boot measures with."""

from __future__ import annotations

import os

import pytest

from benchmarks import processor
from benchmarks.processor import Meter


def test_between_two_samples_time_passes_evenly() -> None:
    meter = Meter(moments=[10.0, 20.0, 40.0], taken=[1.0, 3.0, 4.0])
    assert meter.until(15.0) == 2.0
    assert meter.until(30.0) - meter.until(20.0) == pytest.approx(0.5)


@pytest.mark.parametrize("moment", [9.0, 41.0])
def test_what_nobody_sampled_is_no_figure(moment: float) -> None:
    with pytest.raises(ValueError, match="nobody measured"):
        Meter(moments=[10.0, 20.0, 40.0], taken=[1.0, 3.0, 4.0]).until(moment)


def test_a_process_has_taken_something_and_less_than_all() -> None:
    assert 0 < processor.taken(os.getpid()) <= sum(os.times()[:2]) + 1


def test_the_smallest_system_is_an_archive_with_a_program() -> None:
    content = processor.archive({"init": processor.program()})
    assert content.startswith(b"070701")
    assert len(content) % 4 == 0
    assert processor.program()[:4] == b"\x7fELF"
