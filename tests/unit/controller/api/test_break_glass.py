"""A break-glass code starts its tenant's full failover once on each host, and nothing else ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from causeway_controller.api.break_glass import SESSION
from causeway_controller.contract.access import Role
from causeway_controller.contract.requests import FailOver, FailOverSite, Request, Undo, UndoSite
from causeway_controller.contract.tenant import Starter
from causeway_controller.contract.tokens import NewToken
from causeway_controller.store.audit import Audit
from causeway_controller.store.idempotency import KEPT
from tests.controller_api import Served, serving
from tests.provider_inventory import seed_example, tenant

PATH = "/v1/tenants/acme/hosts/esx1/runs"
ONE = frozenset({"db1"})
FULL = FailOverSite(tenant="acme", vms=ONE)
BOTH = seed_example(tenants=(tenant(full_failover_by=(Starter.PROVIDER, Starter.TENANT)),))


async def start(served: Served, request: Request = FULL, key: str = "k1") -> tuple[int, Any]:
    status, body, _ = await served.ask(
        "POST", PATH, request, role=Role.BREAK_GLASS, whose="acme", headers={"Idempotency-Key": key}
    )
    return status, body


async def test_it_starts_a_full_failover_once(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=BOTH) as served:
        status, run = await start(served)
        assert status == 201
        assert (await start(served, key="k2"))[1]["id"] == run["id"], "it is the same however it is asked for"
        served.runs.end(run["id"])
        status, body = await start(served, FailOverSite(tenant="acme", vms=ONE, escalate=True), key="k3")
        assert (status, "has started" in body["detail"]) == (403, True)
        status, _, _ = await served.ask("GET", f"/v1/runs/{run['id']}", role=Role.BREAK_GLASS, whose="acme")
        assert status == 200, "whoever started it follows it"
        acts = [record.act.action for record in Audit(served.database).records()]
        assert acts.count("token.use-up") == 1


async def test_its_session_ends(tmp_path: Path) -> None:
    assert SESSION < KEPT
    async with serving(tmp_path, inventory=BOTH) as served:
        assert (await start(served))[0] == 201
        served.moments.pass_(seconds=SESSION.total_seconds())
        assert (await start(served))[0] == 401


@pytest.mark.parametrize(
    "request_",
    [FailOver(tenant="acme", vms=ONE), Undo(tenant="acme", vms=ONE), UndoSite(tenant="acme")],
    ids=lambda one: type(one).__name__,
)
async def test_nothing_else_is_started_and_the_code_is_good_still(tmp_path: Path, request_: Request) -> None:
    async with serving(tmp_path, inventory=BOTH) as served:
        assert (await start(served, request_))[0] == 403
        served.moments.pass_(seconds=SESSION.total_seconds())
        status, run = await start(served)
        assert status == 201
        path = f"/v1/runs/{run['id']}/stop"
        assert (await served.ask("POST", path, role=Role.BREAK_GLASS, whose="acme"))[0] == 403


async def test_what_is_refused_uses_up_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=BOTH) as served:
        nobody = FailOverSite(tenant="acme", vms=frozenset({"nobody"}))
        assert (await start(served, nobody))[0] == 422
        status, run, _ = await served.ask("POST", PATH, FailOver(tenant="acme", vms=ONE))
        assert status == 201
        assert (await start(served))[0] == 409, "another run is open"
        served.runs.end(run["id"])
        served.moments.pass_(seconds=SESSION.total_seconds())
        assert (await start(served))[0] == 201


async def test_it_retries_what_it_began_and_nothing_else(tmp_path: Path) -> None:
    code: dict[str, Any] = {"role": Role.BREAK_GLASS, "whose": "acme"}
    async with serving(tmp_path, inventory=BOTH) as served:
        status, theirs, _ = await served.ask("POST", PATH, FULL)
        served.runs.end(theirs["id"], "failed")
        status, body, _ = await served.ask("POST", f"/v1/runs/{theirs['id']}/retry", **code)
        assert (status, "start it anew" in body["detail"]) == (403, True)
        assert served.runs.retried == []
        _, run = await start(served)
        served.runs.end(run["id"], "failed")
        assert (await served.ask("POST", f"/v1/runs/{run['id']}/retry", **code))[0] == 201
        assert served.runs.retried == [run["id"]]


async def test_the_tenants_policy_says_whether_there_are_codes(tmp_path: Path) -> None:
    asked = NewToken(name="envelope", role=Role.BREAK_GLASS, tenant="acme", days=365)
    for starters, made in (((Starter.PROVIDER,), 403), ((Starter.TENANT,), 201)):
        place = tmp_path / starters[0]
        place.mkdir()
        site = seed_example(tenants=(tenant(full_failover_by=starters),))
        async with serving(place, inventory=site) as served:
            status, body, _ = await served.ask("POST", "/v1/tokens", asked)
            assert (status, body.get("pointer")) == (made, "/role" if made == 403 else None)
            status, _ = await start(served)
            assert status == made
