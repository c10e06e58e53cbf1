"""Problems: stable names, one meaning each."""

from __future__ import annotations

import http
import json

import pytest

from causeway_wire import codec, problem
from causeway_wire.problem import ProblemError, ProblemType


def test_every_urn_is_there_once() -> None:
    urns = [kind.urn for kind in ProblemType]
    assert len(set(urns)) == len(urns)
    assert all(urn.startswith("urn:causeway:problem:") for urn in urns)


@pytest.mark.parametrize("kind", ProblemType)
def test_every_type_has_an_error_status_and_a_title_of_its_own(kind: ProblemType) -> None:
    assert http.HTTPStatus(kind.status) >= http.HTTPStatus.BAD_REQUEST
    assert [other for other in ProblemType if other.title == kind.title] == [kind]


def test_members_that_do_not_apply_are_left_out() -> None:
    text = codec.encode(problem.problem(ProblemType.NOT_FOUND, "no change has this id"))
    assert json.loads(text) == {
        "type": "urn:causeway:problem:not-found",
        "title": "No such resource",
        "status": 404,
        "detail": "no change has this id",
    }


def test_several_problems_are_answered_as_the_first_that_carries_them_all() -> None:
    first = problem.problem(ProblemType.OVERLAP, "a and b", pointer="/role/networks/1")
    second = problem.problem(ProblemType.DUPLICATE, "c twice", pointer="/nics/2")
    combined = problem.combine((first, second))
    assert (combined.type, combined.pointer) == (first.type, "/role/networks/1")
    assert combined.errors == (first, second)
    assert codec.decode(codec.encode(combined), problem.Problem) == combined


def test_a_single_problem_is_answered_as_it_is() -> None:
    only = problem.problem(ProblemType.OVERLAP, "a and b")
    assert problem.combine((only,)) is only


def test_a_problem_on_its_way_says_title_and_detail() -> None:
    error = ProblemError(problem.problem(ProblemType.STALE_EPOCH, "epoch 3 is in force"))
    assert str(error) == "A newer workflow has taken over: epoch 3 is in force"
