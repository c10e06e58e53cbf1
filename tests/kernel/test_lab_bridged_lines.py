"""A bridged extension over a bad line, by each transport and over each IP version outside."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.kernel.bridged_lines import OVER_UDP, WAYS

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(240)]

GAP = 1.5
"""Seconds; the bound is generous: restarts are what must not be over UDP, a look at all ways over TCP."""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What became of each way, all in one lab; and what namespaces the lab left."""
    sandboxed = (sys.executable, "-m", "causeway_lab.sandbox", "--")
    done = subprocess.run(
        (*sandboxed, sys.executable, "-m", "tests.kernel.bridged_lines", *WAYS),
        capture_output=True,
        text=True,
        check=False,
        timeout=230,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip((*WAYS, "left"), map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_frames_cross_and_pauses_lose_none(seen: dict[str, Any], way: str) -> None:
    found = seen[way]
    assert (found["went"], found["goes"]) == (way, way)
    assert found["crossed"]
    assert found["paused"]["gap"] > 0.4, "the line did pause"
    assert (found["paused"]["lost"], found["paused"]["restarts"]) == (0, 0)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_sent_in_the_names_of_both_ends_moves_no_tunnel(seen: dict[str, Any], way: str) -> None:
    """Data, control and first packets, or segments; by a host of the internet that has no key."""
    found = seen[way]["forged"]
    assert found["flows"] > 0
    assert (found["lost"], found["restarts"]) == (0, 0)


@pytest.mark.parametrize("way", OVER_UDP)
def test_packets_that_are_overtaken_arrive(seen: dict[str, Any], way: str) -> None:
    assert seen[way]["overtaken"] == {"lost": 0, "restarts": 0}


@pytest.mark.parametrize("way", WAYS)
def test_a_nat_that_gives_out_other_ports_costs_a_moment(seen: dict[str, Any], way: str) -> None:
    """Over UDP the same connection goes on; one over TCP is over, and made anew."""
    found = seen[way]["rebound"]
    assert found["gap"] < GAP
    assert (found["restarts"] == 0) == (way in OVER_UDP)


def test_a_lab_that_is_down_has_left_nothing(seen: dict[str, Any]) -> None:
    """Another one may follow in the same sandbox."""
    assert seen["left"] == []
