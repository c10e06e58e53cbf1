"""Failures in words: every problem of an answer, and what to do about a duplicate address."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from causeway_controller.errors import ChangeFailed, StepFailed
from causeway_lab.assembly.lab import LabError, VmRef
from causeway_lab.service import protocol
from causeway_lab.world.steps import Step, step
from causeway_wire.change import Change, ChangeState
from causeway_wire.problem import ProblemError, ProblemType, combine, problem


def test_all_problems_are_said() -> None:
    problems = [problem(ProblemType.INVALID, text) for text in ("first", "second")]
    assert protocol.explain(ProblemError(combine(tuple(problems)))) == "first; second"


def test_a_duplicate_address_is_explained_with_the_way_out() -> None:
    change = Change(
        id="1",
        generation=2,
        epoch=1,
        state=ChangeState.REFUSED,
        requested_by="ctl",
        created=datetime.now(tz=UTC),
        problem=problem(ProblemType.ADDRESS_IN_USE, "192.168.10.12 is answered for"),
    )
    cause = ChangeFailed("acme-nea1", change)
    error = StepFailed("Connect", cause, (), ())
    error.__cause__ = cause
    assert "cut its power first" in protocol.explain(error)
    assert "cut its power first" not in protocol.explain(StepFailed("Connect", LabError("x"), (), ()))


def test_lines_survive_the_wire() -> None:
    lines: list[protocol.Line] = [
        protocol.StepLine(name="wire", seconds=0.1),
        protocol.DoneLine(measures=(("failover", 0.5),)),
        protocol.FailedLine(message="no"),
    ]
    for line in lines:
        assert msgspec.json.decode(msgspec.json.encode(line), type=protocol.Line) == line


def test_a_step_tells_its_beginning_and_its_end() -> None:
    heard: list[Step] = []
    with step("wire", heard.append):
        assert heard == [Step(name="wire")]
    assert heard[1].seconds is not None
    assert heard[1].error is None


def test_a_failed_step_tells_why_and_lets_the_failure_pass() -> None:
    heard: list[Step] = []
    with pytest.raises(LabError), step("wire", heard.append):
        raise LabError("no cable")
    assert heard[1].error == "no cable"


@pytest.mark.parametrize("text", ["db1", "/db1", "acme/", ""])
def test_a_vm_is_written_with_its_tenant(text: str) -> None:
    with pytest.raises(LabError, match="tenant/vm"):
        VmRef.parse(text)
