"""Which answers of a provider that is asked before a run stop it, and which are only told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import pytest

from causeway_controller.errors import HalfStands, PeerUnreachable
from causeway_controller.failover.steps import AskHalf, Ending, OpenHalf, Step
from causeway_controller.workflows.ports import DRY_RUN
from causeway_controller.workflows.preflight import Preflight
from causeway_wire.problem import ProblemError, ProblemType, combine, problem

VMS = frozenset({"db1"})
OPEN = Step("open", OpenHalf(half="north", host="esx1", vms=VMS, end_full=True))
END = Step("end", AskHalf(half="north", host="esx1", vms=VMS, ending=Ending.FAIL_BACK))
BUSY = problem(ProblemType.FAILOVER_IN_PROGRESS, "run 7 is open", retry_after=1.0)
OLD = problem(ProblemType.MALFORMED, "`dry_run` is for an `end`")
BOTH = combine((problem(ProblemType.UNAVAILABLE, "one"), problem(ProblemType.INVALID, "two")), more=3)


class Half:
    """Answers with this."""

    def __init__(self, answer: Exception | None) -> None:
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []

    async def may_open(self, *about: object, end_full: bool) -> None:
        self._met(*about, end_full)

    async def check(self, *about: object, ending: Ending, epoch: int) -> None:
        self._met(*about, ending, epoch)

    def _met(self, *about: object) -> None:
        self.asked.append(about)
        if self.answer is not None:
            raise self.answer


async def asked(answer: Exception | None, step: Step = OPEN) -> tuple[str, ...]:
    halves: Mapping[tuple[str, str], Any] = {("north", DRY_RUN): Half(answer)}
    preflight = Preflight(survey=cast(Any, None), halves=lambda name, run: halves.get((name, run)))
    return await preflight.ask([step])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PeerUnreachable("no controller answers"), "could not be asked .*: no controller answers"),
        (ProblemError(OLD), "older than this one"),
        (ProblemError(BUSY), "the run would wait: run 7 is open"),
    ],
    ids=["unreachable", "old", "busy"],
)
@pytest.mark.parametrize("step", [OPEN, END], ids=["open", "end"])
async def test_what_stops_nothing_is_told(answer: Exception, said: str, step: Step) -> None:
    (note,) = await asked(answer, step)
    assert re.search(said, note), note


async def test_all_that_is_refused_is_told_as_the_providers_word() -> None:
    with pytest.raises(ProblemError) as caught:
        await asked(ProblemError(BOTH))
    found = caught.value.problem
    assert [one.detail for one in found.each] == ["north says: one", "north says: two"]
    assert (found.type, found.more) == (ProblemType.UNAVAILABLE.urn, 3)


async def test_what_cannot_be_given_back_is_refused() -> None:
    with pytest.raises(ProblemError, match="it gives nothing back"):
        await asked(HalfStands("it gives nothing back"), END)


async def test_a_half_is_asked_about_as_it_would_be_opened_and_ended() -> None:
    half = Half(None)
    preflight = Preflight(survey=cast(Any, None), halves=lambda *_: cast(Any, half))
    assert await preflight.ask([OPEN, END]) == ()
    assert half.asked == [("esx1", VMS, True), ("esx1", VMS, Ending.FAIL_BACK, 0)]
