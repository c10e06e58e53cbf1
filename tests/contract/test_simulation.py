"""A part of `make simulate`: real engines and workflows in virtual time, seed by seed; and what they find."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.events import EventFeed
from tests.simulation import mutants
from tests.simulation.planting import Fault, planted
from tests.simulation.scenario import run

pytestmark = pytest.mark.timeout(300)

SEEDS, LINKED, BACK, AT_ONCE = 200, 100, 25, 25
"""About a minute of a processor's time in all; `make simulate` plays a thousand."""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", [{}, {"linked": True}, {"back": True}])
def test_requests_are_accepted_so_that_the_properties_hold_of_something(kind: dict[str, bool]) -> None:
    assert sum(run(seed, **kind).counts["runs"] for seed in range(3)) >= 3


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


@pytest.mark.parametrize(("seed", "kind"), [(17, ()), (25, ("linked",)), (17, ("back",))])
def test_a_seed_has_the_same_history_each_time_and_in_every_process(seed: int, kind: tuple[str, ...]) -> None:
    here = run(seed, linked="linked" in kind, back="back" in kind)
    assert here == run(seed, linked="linked" in kind, back="back" in kind)
    assert len(here.trace) > 10
    for seed_of_hashes in ("1", "2"):
        how = [f"--{one}" for one in kind]
        command = (sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--trace", *how)
        environment = {**os.environ, "PYTHONHASHSEED": seed_of_hashes}
        told = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        assert tuple(told.splitlines()[:-1]) == here.trace


async def test_who_listens_is_told_in_the_order_of_listening_wherever_it_lies_in_memory() -> None:
    feed, heard = EventFeed(), list[int]()

    async def listen(number: int) -> None:
        async for _ in feed.stream():
            heard.append(number)
            return

    listeners = [asyncio.create_task(listen(number)) for number in range(50)]
    await asyncio.sleep(0)
    feed.emit("a tunnel is up")
    await asyncio.gather(*listeners)
    assert heard == list(range(50))


def test_half_that_was_taken_back_but_for_what_an_appliance_out_of_reach_has_is_asked_for_again() -> None:
    """The provider's run had said what stands, and the tenant's that all is undone."""
    told = run(54, linked=True)
    assert told.broken is None
    assert any("could not take back all of its half" in line for line in told.trace)


@pytest.mark.parametrize(
    "name", ["undo-half", "commit-at-once", "shorter-wait", "take-back-forwards", "half-ends-first"]
)
def test_a_planted_fault_is_found(name: str) -> None:
    (hunt,) = mutants.hunt(seeds=90, names=frozenset({name}))
    assert hunt.found is not None


@pytest.mark.parametrize("fault", mutants.FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_a_place_in_the_code_of_today(fault: Fault) -> None:
    with planted(fault):
        pass


def test_there_are_faults_enough_to_be_found_and_each_has_its_own_name() -> None:
    names = [fault.name for fault in mutants.FAULTS]
    assert len(names) == len(set(names)) >= 30
