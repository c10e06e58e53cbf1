"""What holds for every route: HEAD is GET without a body (RFC 9110, 9.3.2), parameters are text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from causeway_controller.api.metrics import CONTENT_TYPE
from causeway_controller.contract.audiences import STAFF
from tests.controller_api import Served, serving, two_tenants

THERE = {"tenant": "acme", "host": "esx1", "gateway": "gw1"}
"""Names in paths that lead somewhere; those of other things are not found by either method."""
GETS = {route.name: route for route in STAFF.routes if route.method == "GET"}


async def told(served: Served, method: str, path: str, **more: Any) -> tuple[int, dict[str, str], Any]:
    status, body, response = await served.ask(method, path, **more)
    return status, {name: value for name, value in response.headers.items() if name != "Date"}, body


async def test_head_is_get_without_the_body_everywhere(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        for route in GETS.values():
            path = re.sub(r"{(\w+)}", lambda found: THERE.get(found[1], "1"), route.path)
            got, headers, _ = await told(served, "GET", path)
            status, same, body = await told(served, "HEAD", path)
            assert (status, body) == (got, ""), route.name
            assert same.keys() == headers.keys(), route.name
            if not headers["Content-Type"].startswith(CONTENT_TYPE):  # numbers move
                assert same == headers, route.name
            if route.permission is not None:
                assert (await told(served, "HEAD", path, role=None))[0] in {401, 429}, route.name


@pytest.mark.parametrize(("path", "allowed"), [("/v1/inventory", "GET,HEAD,PUT"), ("/healthz", "GET,HEAD")])
async def test_head_is_named_among_the_methods(tmp_path: Path, path: str, allowed: str) -> None:
    async with serving(tmp_path) as served:
        status, headers, _ = await told(served, "PATCH", path)
        assert (status, headers["Allow"]) == (405, allowed)


async def test_a_parameter_with_a_control_character_is_refused_by_name_everywhere(tmp_path: Path) -> None:
    """The store keeps no NUL: it reached SQL, and its text the answer of a database that "cannot be used"."""
    asked = [(route, name) for route in STAFF.routes for name in route.query]
    assert asked
    async with serving(tmp_path, inventory=two_tenants()) as served:
        for route, name in asked:
            path = re.sub(r"{(\w+)}", lambda found: THERE.get(found[1], "1"), route.path)
            for value in ("%00", "a%0Ab", "%7F", "%C2%85"):
                status, body, _ = await served.ask(route.method, f"{path}?{name}={value}")
                assert (status, name in body["detail"]) == (400, True), (route.name, name, value, body)
