"""The route table: complete and without contradictions."""

from __future__ import annotations

import re

import pytest

from causeway_wire import routes
from causeway_wire.desired import Document
from causeway_wire.observed import Report
from causeway_wire.problem import ProblemType
from causeway_wire.routes import Permission, Route

EVERY = pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.name)


def test_every_route_of_the_module_is_in_the_table_once() -> None:
    declared = [value for value in vars(routes).values() if isinstance(value, Route)]
    assert sorted(route.name for route in declared) == sorted(route.name for route in routes.ROUTES)
    assert len({(route.method, route.path) for route in routes.ROUTES}) == len(routes.ROUTES)
    assert len({route.name for route in routes.ROUTES}) == len(routes.ROUTES)


@EVERY
def test_paths_carry_the_version(route: Route) -> None:
    assert re.fullmatch(r"/v1(/[a-z-]+)*(/\{[a-z]+\}(/[a-z]+)?)?", route.path)


@EVERY
def test_what_changes_the_appliance_needs_the_right_to_apply(route: Route) -> None:
    changes = route.method != "GET" and route is not routes.PLAN
    assert (route.permission is Permission.APPLY) == changes


@EVERY
def test_requests_are_strict_and_answers_tolerant(route: Route) -> None:
    assert route.request is None or issubclass(route.request, Document)
    assert route.response is None or issubclass(route.response, Report | Document)


@EVERY
def test_a_body_can_be_malformed_or_too_large(route: Route) -> None:
    body_problems = {ProblemType.MALFORMED, ProblemType.TOO_LARGE, ProblemType.UNSUPPORTED_MEDIA_TYPE}
    assert body_problems.issubset(route.problems) == (route.request is not None or route.stream)


@EVERY
def test_no_problem_is_named_twice(route: Route) -> None:
    assert len(set(route.problems)) == len(route.problems)
