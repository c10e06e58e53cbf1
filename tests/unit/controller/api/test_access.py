"""Who may what: every role at every route, tenants apart, tokens that expire, sources that guess."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from causeway_controller.api import callers
from causeway_controller.contract import routes
from causeway_controller.contract.access import Permission, Role, granted
from causeway_controller.contract.audiences import STAFF
from causeway_controller.contract.requests import FailOver
from causeway_controller.contract.tokens import NewToken
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType
from tests.controller_api import serving, two_tenants

PLACES = {
    "tenant": "acme",
    "host": "esx1",
    "run": "r1",
    "token": "0" * 12,
    "invitation": "0" * 12,
    "provider": "north",
    "gateway": "gw1",
    "vm": "db1",
    "serial": "1f",
}
ACME = codec.encode(FailOver(tenant="acme", vms=frozenset({"db1"})))
WHO: tuple[tuple[Role, str | None], ...] = (
    (Role.ADMIN, None),
    (Role.OPERATOR, None),
    (Role.AUDITOR, None),
    (Role.AUDITOR, "acme"),
    (Role.TENANT_ADMIN, "acme"),
    (Role.TENANT_OPERATOR, "acme"),
    (Role.BREAK_GLASS, "acme"),
    (Role.REPLICATOR, "acme"),
)


def place(route: routes.Route) -> str:
    return re.sub(r"{(\w+)}", lambda match: PLACES[match[1]], route.path)


def urn(body: object) -> str:
    assert isinstance(body, dict)
    return str(body["type"]).rpartition(":")[2]


async def test_every_route_asks_for_its_permission(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        for role, whose in WHO:
            for route in STAFF.routes:
                status, body, _ = await served.ask(
                    route.method, place(route), role=role, whose=whose, data=b"{}" if route.request else None
                )
                allowed = route.permission is None or route.permission in granted(role, whose)
                assert (status == 403) is not allowed, (role, whose, route.name, body)
                assert status != 401
                assert status < 500


async def test_nobody_known_gets_nothing_but_health(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for route in STAFF.routes:
            served.moments.pass_(minutes=10)
            status, body, response = await served.ask(route.method, place(route), role=None)
            if route.permission is None:
                assert status == 200
                continue
            assert (status, urn(body)) == (401, "unauthenticated")
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer ",
        "Bearer nonsense",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer cwt_000000000000_" + "A" * 43,
        "Bearer cwt_000000000001_\u00e9",
    ],
)
async def test_what_is_no_token_is_nobodys(tmp_path: Path, sent: str) -> None:
    async with serving(tmp_path) as served:
        status, _, _ = await served.ask("GET", "/v1", role=None, headers={"Authorization": sent})
        assert status == 401


async def test_a_token_with_one_other_character_is_nobodys(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        secret = served.known(Role.ADMIN)
        other = secret[:-1] + ("A" if secret[-1] != "A" else "B")
        for value, expected in ((secret, 200), (other, 401)):
            status, _, _ = await served.ask(
                "GET", "/v1", role=None, headers={"Authorization": f"Bearer {value}"}
            )
            assert status == expected


async def test_a_token_expires_and_is_revoked(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        short = {"Authorization": f"Bearer {served.known(Role.AUDITOR, days=1)}"}
        assert (await served.ask("GET", "/v1", role=None, headers=short))[0] == 200
        served.moments.pass_(days=1)
        assert (await served.ask("GET", "/v1", role=None, headers=short))[0] == 401
        asked = NewToken(name="robot", role=Role.OPERATOR)
        status, made, response = await served.ask("POST", "/v1/tokens", asked)
        assert (status, response.headers["Location"]) == (201, f"/v1/tokens/{made['token']['id']}")
        shown = {"Authorization": f"Bearer {made['secret']}"}
        assert (await served.ask("GET", "/v1", role=None, headers=shown))[1]["caller"]["name"] == "robot"
        for _ in range(2):
            status, revoked, _ = await served.ask("DELETE", f"/v1/tokens/{made['token']['id']}")
            assert (status, "revoked" in revoked) == (200, True)
        assert (await served.ask("GET", "/v1", role=None, headers=shown))[0] == 401


async def test_the_secret_is_kept_nowhere(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        asked = NewToken(name="robot", role=Role.OPERATOR)
        _, made, _ = await served.ask("POST", "/v1/tokens", asked)
        hidden = made["secret"].rpartition("_")[2]
        _, listed, _ = await served.ask("GET", "/v1/tokens")
        assert made["token"] in listed["tokens"]
        assert hidden not in str(listed)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())  # noqa: ASYNC240 - nothing else runs
    assert made["token"]["id"].encode() in kept
    assert hidden.encode() not in kept


async def test_another_tenants_things_are_not_found_like_what_does_not_exist(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        status, run, _ = await served.ask("POST", "/v1/tenants/acme/hosts/esx1/runs", data=ACME)
        assert status == 201

        async def answers(*asked: tuple[str, str]) -> list[tuple[int, str, str]]:
            found = []
            for method, path in asked:
                status, body, _ = await served.ask(
                    method, path, role=Role.TENANT_ADMIN, whose="zeta", data=ACME if "hosts" in path else None
                )
                found.append((status, urn(body), re.sub("acme|gone|" + run["id"], "X", body["detail"])))
            return found

        theirs = await answers(
            ("GET", "/v1/tenants/acme"),
            ("POST", "/v1/tenants/acme/hosts/esx1/runs"),
            ("GET", f"/v1/runs/{run['id']}"),
            ("GET", f"/v1/runs/{run['id']}/events"),
            ("POST", f"/v1/runs/{run['id']}/stop"),
            ("POST", f"/v1/runs/{run['id']}/retry"),
            ("GET", "/v1/runs?tenant=acme"),
            ("GET", "/v1/tenants/acme/replicas"),
            ("GET", "/v1/tenants/acme/replicas/db1"),
        )
        nobodys = await answers(
            ("GET", "/v1/tenants/gone"),
            ("POST", "/v1/tenants/gone/hosts/esx1/runs"),
            ("GET", "/v1/runs/gone"),
            ("GET", "/v1/runs/gone/events"),
            ("POST", "/v1/runs/gone/stop"),
            ("POST", "/v1/runs/gone/retry"),
            ("GET", "/v1/runs?tenant=gone"),
            ("GET", "/v1/tenants/gone/replicas"),
            ("GET", "/v1/tenants/gone/replicas/db1"),
        )
        assert theirs == nobodys
        assert {status for status, _, _ in theirs} == {404}
        assert not served.runs.stopped
        assert not served.runs.retried


async def test_a_tenant_sees_itself_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        await served.ask("POST", "/v1/tenants/acme/hosts/esx1/runs", data=ACME)
        seen: dict[str, object] = {}
        for path in ("/v1/tenants", "/v1/appliances/needed", "/v1/runs", "/v1/status", "/v1/tokens"):
            _, seen[path], _ = await served.ask("GET", path, role=Role.TENANT_ADMIN, whose="zeta")
        assert "acme" not in str(seen)
        assert "zeta" in str(seen["/v1/tenants"])
        _, tokens, _ = await served.ask("GET", "/v1/tokens", role=Role.TENANT_ADMIN, whose="zeta")
        assert {token["tenant"] for token in tokens["tokens"]} == {"zeta"}


@pytest.mark.parametrize(
    ("role", "whose", "asked", "expected"),
    [
        (Role.ADMIN, None, NewToken(name="x", role=Role.TENANT_OPERATOR), "invalid"),
        (Role.ADMIN, None, NewToken(name="x", role=Role.OPERATOR, tenant="acme"), "invalid"),
        (Role.ADMIN, None, NewToken(name="x", role=Role.TENANT_ADMIN, tenant="gone"), "unknown-reference"),
        (Role.ADMIN, None, NewToken(name="x", role=Role.TENANT_ADMIN, tenant="acme"), None),
        (Role.TENANT_ADMIN, "acme", NewToken(name="x", role=Role.TENANT_OPERATOR, tenant="acme"), None),
        (Role.TENANT_ADMIN, "acme", NewToken(name="x", role=Role.AUDITOR, tenant="acme"), None),
        (Role.TENANT_ADMIN, "acme", NewToken(name="x", role=Role.AUDITOR), "not-allowed"),
        (Role.TENANT_ADMIN, "acme", NewToken(name="x", role=Role.ADMIN), "not-allowed"),
        (Role.ADMIN, None, NewToken(name="x", role=Role.REPLICATOR, tenant="acme"), None),
        (Role.ADMIN, None, NewToken(name="x", role=Role.REPLICATOR), "invalid"),
        (Role.TENANT_ADMIN, "acme", NewToken(name="x", role=Role.REPLICATOR, tenant="acme"), "not-allowed"),
        (Role.TENANT_ADMIN, "acme", NewToken(name="x", role=Role.TENANT_ADMIN, tenant="zeta"), "not-allowed"),
        (Role.TENANT_ADMIN, "acme", NewToken(name="x", role=Role.TENANT_ADMIN, tenant="gone"), "not-allowed"),
    ],
)
async def test_nobody_gives_away_more_than_they_have(
    tmp_path: Path, role: Role, whose: str | None, asked: NewToken, expected: str | None
) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        status, body, _ = await served.ask("POST", "/v1/tokens", asked, role=role, whose=whose)
        assert (status == 201) is (expected is None)
        if expected is not None:
            assert urn(body) == expected


async def test_who_guesses_has_to_wait_and_others_have_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        wrong = {"Authorization": "Bearer cwt_000000000000_" + "A" * 43}
        tried = [(await served.ask("GET", "/v1", role=None, headers=wrong))[0] for _ in range(12)]
        assert tried == [401] * 10 + [429] * 2
        status, body, response = await served.ask("GET", "/v1")
        assert (status, urn(body)) == (429, "too-many")
        assert int(response.headers["Retry-After"]) >= 1
        served.moments.pass_(seconds=7)
        assert (await served.ask("GET", "/v1"))[0] == 200


def test_permissions_that_reach_every_tenant_are_never_within_one() -> None:
    assert Permission.READ_AUDIT in granted(Role.AUDITOR, None)
    assert granted(Role.AUDITOR, "acme") == {Permission.OBSERVE, Permission.READ_REPLICAS}
    caller = callers.Caller(name="x", role=Role.AUDITOR, tenant="acme", identity="token:x")
    with pytest.raises(ProblemError) as caught:
        caller.check(Permission.READ_AUDIT)
    assert caught.value.problem.type == ProblemType.NOT_ALLOWED.urn
