"""A part of `make simulate`: real engines and workflows in virtual time, seed by seed; and what they find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import mutants
from tests.simulation.planting import Fault, planted
from tests.simulation.scenario import run

pytestmark = pytest.mark.timeout(300)

SEEDS, LINKED, BACK, AT_ONCE = 100, 50, 25, 25
"""About half a minute of a processor's time in all; `make simulate` plays a thousand."""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_every_property_holds_in_every_history(first: int) -> None:
    broken = {seed: told for seed in range(first, first + AT_ONCE) if (told := run(seed).broken) is not None}
    assert broken == {}, "see one with: python -m tests.simulation --trace --seed N"


@pytest.mark.parametrize("first", range(0, LINKED, AT_ONCE))
def test_every_property_holds_where_each_site_has_controllers_of_its_own(first: int) -> None:
    seeds = range(first, first + AT_ONCE)
    broken = {seed: told for seed in seeds if (told := run(seed, linked=True).broken) is not None}
    assert broken == {}, "see one with: python -m tests.simulation --linked --trace --seed N"


def test_every_property_holds_where_some_of_a_full_failover_are_kept() -> None:
    broken = {seed: told for seed in range(BACK) if (told := run(seed, back=True).broken) is not None}
    assert broken == {}, "see one with: python -m tests.simulation --back --trace --seed N"


def test_a_seed_has_the_same_history_each_time_and_in_every_process() -> None:
    here = run(17)
    assert here == run(17)
    assert len(here.trace) > 10
    for seed_of_hashes in ("1", "2"):
        command = (sys.executable, "-m", "tests.simulation", "--seed", "17", "--trace")
        environment = {**os.environ, "PYTHONHASHSEED": seed_of_hashes}
        told = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        assert tuple(told.splitlines()[:-1]) == here.trace


@pytest.mark.parametrize("name", ["undo-half", "commit-at-once", "shorter-wait", "take-back-forwards"])
def test_a_planted_fault_is_found(name: str) -> None:
    (hunt,) = mutants.hunt(seeds=60, names=frozenset({name}))
    assert hunt.found is not None


@pytest.mark.parametrize("fault", mutants.FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_a_place_in_the_code_of_today(fault: Fault) -> None:
    with planted(fault):
        pass


def test_there_are_faults_enough_to_be_found_and_each_has_its_own_name() -> None:
    names = [fault.name for fault in mutants.FAULTS]
    assert len(names) == len(set(names)) >= 30
