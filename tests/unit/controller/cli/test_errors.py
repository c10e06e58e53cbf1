"""What a command says when it cannot go on."""

from __future__ import annotations

from causeway_controller.cli import errors


def test_an_answer_that_is_late_is_not_taken_for_a_controller_that_is_not_there() -> None:
    late = str(errors.UnreachableError("/run/c.sock", TimeoutError()))
    assert late.index("may go on there") < late.index("is it running")
