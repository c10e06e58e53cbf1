"""When a connection is given up because nothing comes: by counts, whatever the time of day is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from causeway_agent.backends.processes import openvpn_management as management
from causeway_agent.backends.processes.openvpn_leg import STARVED, Leg

CONNECTION = cast("management.Connection", None)


class Child:
    """A process that goes on."""

    alive = True

    async def wait(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the event loop's clock says: the last of these."""
    told = [0.0]
    loop = type("Loop", (), {"time": lambda _: told[-1]})()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return told


def leg(*, carried: bool = False) -> Leg:
    async def discard(_: str) -> None: ...

    made = Leg(0, 0, "cwtun0", cast("Any", Child()), Path(), "", discard if carried else None)
    made._handle(management.StateChanged("CONNECTED", "SUCCESS", None), CONNECTION)
    return made


def count(made: Leg, moments: list[float], *counts: tuple[float, int]) -> bool:
    """Whether it is given up after these counts: moments, and octets that had come by then."""
    for moment, received in counts:
        moments.append(moment)
        made._handle(management.BytesCounted(received, 1000), CONNECTION)
    return made._broken.is_set()


def test_a_far_end_that_says_nothing_is_given_up(moments: list[float]) -> None:
    made = leg()
    assert not count(made, moments, (2, 50), (4, 50))
    assert count(made, moments, (2 + STARVED, 50))
    assert made.why == "nothing comes from the far end"


def test_a_pause_that_is_shorter_costs_nothing(moments: list[float]) -> None:
    assert not count(leg(), moments, (2, 50), (4, 50), (5.9, 50), (7.9, 90), (9.9, 90), (11, 90), (13, 120))


def test_counts_that_come_at_once_say_nothing(moments: list[float]) -> None:
    """A clock that was set: one at once. We were stopped: all that waited, and only the last ones are new."""
    assert not count(leg(), moments, (2, 50), (2.01, 50), (3, 100))
    assert not count(leg(), moments, (2, 50), (60, 50), (60, 100), (60, 150))


def test_what_the_kernel_carries_it_judges_itself(moments: list[float]) -> None:
    assert not count(leg(carried=True), moments, (2, 50), (4, 50), (60, 50), (90, 50))
