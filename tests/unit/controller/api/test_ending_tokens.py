"""Tokens that end are told before, and to nobody but those who make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from causeway_controller.api import ending_tokens
from causeway_controller.contract.access import Role
from causeway_controller.contract.tokens import Token
from tests.controller_api import Served, serving


async def make(served: Served, name: str, days: int, **more: str) -> str:
    body = {"name": name, "role": "auditor", "days": days, **more}
    status, made, _ = await served.ask("POST", "/v1/tokens", body)
    assert status == 201
    identifier: str = made["token"]["id"]
    return identifier


async def told(served: Served, role: Role = Role.ADMIN) -> dict[str, Any]:
    _, status, _ = await served.ask("GET", "/v1/status", role=role)
    return {one["subject"]: one["detail"] for one in status["notices"] if "token " in one["subject"]}


async def test_a_token_that_ends_is_told_before_and_after_until_another_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await make(served, "prometheus", 60)
        served.moments.pass_(days=45)
        assert await told(served) == {}
        served.moments.pass_(days=2)
        assert "ends on 2026-07-05" in (await told(served))["token prometheus"]
        assert await told(served, Role.AUDITOR) == {}
        served.moments.pass_(days=14)
        assert "it ended on" in (await told(served))["token prometheus"]
        assert "token create prometheus --role auditor`" in (await told(served))["token prometheus"]
        await make(served, "prometheus", 60)
        assert await told(served) == {}


async def test_one_of_short_life_or_that_was_revoked_is_not_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await make(served, "visitor", 7)
        gone = await make(served, "gone", 40)
        served.moments.pass_(days=3)
        assert (await served.ask("DELETE", f"/v1/tokens/{gone}"))[0] < 300
        served.moments.pass_(days=30)
        assert await told(served) == {}


def test_a_code_on_paper_is_told_until_it_ends() -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    code = Token(
        id="0" * 12,
        name="envelope",
        role=Role.BREAK_GLASS,
        made=made,
        made_by="anna",
        expires=made + timedelta(days=365),
        tenant="acme",
    )
    (before,) = ending_tokens.tell([code], code.expires - timedelta(days=1))
    assert "token create envelope --role break-glass --tenant acme`" in before.detail
    assert list(ending_tokens.tell([code], code.expires)) == []
