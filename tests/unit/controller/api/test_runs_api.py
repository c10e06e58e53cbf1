"""Runs over the API: started once for each key, read while they go on, stopped, retried."""

from __future__ import annotations

import asyncio
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from causeway_controller.api import run_events
from causeway_controller.contract.access import Role
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.requests import AskTenant, FailOver, FailOverSite, Rebuild, UpdateFleet
from causeway_controller.contract.tenant import Starter, Static
from causeway_controller.store.audit import Audit
from causeway_controller.store.runs import Run
from causeway_wire import codec
from tests.controller_api import Served, serving, two_tenants
from tests.provider_inventory import seed_example, tenant

PATH = "/v1/tenants/acme/hosts/esx1/runs"
REQUEST = FailOver(tenant="acme", vms=frozenset({"db1"}))


async def start(served: Served, **headers: str) -> dict[str, object]:
    status, run, response = await served.ask("POST", PATH, REQUEST, headers=headers)
    assert status == 201, run
    assert response.headers["Location"] == f"/v1/runs/{run['id']}"
    return dict(run)


def urn(body: dict[str, str]) -> str:
    return body["type"].rpartition(":")[2]


async def test_a_run_is_started_read_and_recorded(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        run = await start(served)
        expected = {"request": "fail-over", "tenant": "acme", "vms": ["db1"], "end_full": False}
        assert run["request"] == expected
        assert (run["actor"], run["open"]) == ("admin-1", True)
        served.runs.tell(str(run["id"]), "started", stage=1)
        _, found, _ = await served.ask("GET", f"/v1/runs/{run['id']}")
        assert (found["last"]["kind"], found["last"]["detail"]) == ("started", {"stage": 1})
        acts = [record.act for record in Audit(served.database).records()]
        assert ("run.start", f"run {run['id']}") in {(act.action, act.subject) for act in acts}


async def test_a_dry_run_tells_the_stages_and_starts_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        status, planned, _ = await served.ask("POST", PATH + "?dry_run=true", REQUEST)
        assert (status, planned["stages"]) == (200, [["Fail over on esx1"], ["Confirm both halves"]])
        _, listed, _ = await served.ask("GET", "/v1/runs")
        assert listed["runs"] == []


async def test_where_a_tenant_has_networks_of_its_own_besides_its_subscriptions_both_fail_over(
    tmp_path: Path,
) -> None:
    """A provider's controller that is a tenant of another provider under the same name."""
    lan = OwnNetwork(
        id="lan",
        prefixes=(ip_network("192.168.10.0/24"),),
        appliance=OwnAppliance(
            host="esx1", network="pg", address=Static(addresses=(ip_interface("192.168.10.250/24"),))
        ),
    )
    own = Production(id="north", tenant="acme", networks=(lan,))
    async with serving(tmp_path, inventory=seed_example(production=(own,))) as served:
        path = "/v1/tenants/acme/hosts/{}/runs?dry_run=true"
        for host in ("esx1", "lan"):
            status, told, _ = await served.ask("POST", path.format(host), REQUEST)
            assert status == 200, told
        status, told, _ = await served.ask("POST", path.format("gone"), REQUEST)
        assert (status, "there is lan, and subscriptions on esx1" in told["detail"]) == (404, True)


async def test_the_same_key_starts_one_run_and_answers_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        first = await start(served, **{"Idempotency-Key": "k1"})
        served.runs.end(str(first["id"]))
        again = await start(served, **{"Idempotency-Key": "k1"})
        assert again == first
        other = FailOver(tenant="acme", vms=frozenset({"web1"}))
        status, body, _ = await served.ask("POST", PATH, other, headers={"Idempotency-Key": "k1"})
        assert (status, urn(body)) == (422, "key-reused")
        _, listed, _ = await served.ask("GET", "/v1/runs")
        assert len(listed["runs"]) == 1
        served.moments.pass_(hours=25)
        late = await start(served, **{"Idempotency-Key": "k1"})
        assert late["id"] == first["id"], "never twice, however late a copy of the request arrives"


async def test_a_key_is_its_callers(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        first = await start(served, **{"Idempotency-Key": "k1"})
        served.runs.end(str(first["id"]))
        status, second, _ = await served.ask(
            "POST", PATH, REQUEST, role=Role.OPERATOR, headers={"Idempotency-Key": "k1"}
        )
        assert (status, second["id"] != first["id"]) == (201, True)


async def test_a_refused_request_gives_its_key_back(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        wrong = FailOver(tenant="acme", vms=frozenset({"nobody"}))
        for _ in range(2):
            status, body, _ = await served.ask("POST", PATH, wrong, headers={"Idempotency-Key": "k1"})
            assert (status, body["pointer"]) == (422, "/vms/0")
        await start(served, **{"Idempotency-Key": "k1"})


async def test_an_answer_that_was_lost_with_its_controller_is_found(tmp_path: Path) -> None:
    """The controller died after it started the run, before it kept the answer."""
    async with serving(tmp_path, inventory=seed_example()) as served:
        first = await start(served, **{"Idempotency-Key": "k1"})
        with served.database.write() as connection:
            connection.exec_driver_sql("UPDATE idempotency SET answer = NULL")
        status, body, _ = await served.ask("POST", PATH, REQUEST, headers={"Idempotency-Key": "k1"})
        assert (status, urn(body)) == (409, "request-in-flight")
        served.moments.pass_(minutes=2)
        again = await start(served, **{"Idempotency-Key": "k1"})
        assert again["id"] == first["id"]


async def test_two_at_once_under_one_key_start_one_run(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        asked = [served.ask("POST", PATH, REQUEST, headers={"Idempotency-Key": "k1"}) for _ in range(4)]
        statuses = sorted([status for status, _, _ in await asyncio.gather(*asked)])
        assert statuses[0] == 201
        assert set(statuses) <= {201, 409}
        _, listed, _ = await served.ask("GET", "/v1/runs")
        assert len(listed["runs"]) == 1


async def test_a_second_run_of_a_tenant_on_a_host_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        await start(served)
        status, body, _ = await served.ask("POST", PATH, REQUEST)
        assert (status, urn(body)) == (409, "failover-in-progress")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/tenants/zeta/hosts/esx1/runs", 422),
        ("/v1/tenants/gone/hosts/esx1/runs", 422),
        ("/v1/tenants/acme/hosts/esx9/runs", 404),
    ],
)
async def test_the_path_names_the_requests_tenant_and_a_host_of_theirs(
    tmp_path: Path, path: str, status: int
) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        found, body, _ = await served.ask("POST", path, REQUEST)
        assert (found, body.get("pointer")) == (status, "/tenant" if status == 422 else None)


@pytest.mark.parametrize(
    ("starters", "role", "allowed"),
    [
        ((Starter.PROVIDER,), Role.TENANT_ADMIN, False),
        ((Starter.PROVIDER,), Role.OPERATOR, True),
        ((Starter.TENANT,), Role.TENANT_OPERATOR, True),
        ((Starter.TENANT,), Role.OPERATOR, False),
        ((Starter.TENANT, Starter.PROVIDER), Role.TENANT_OPERATOR, True),
    ],
)
async def test_the_tenants_policy_says_who_starts_a_full_failover(
    tmp_path: Path, starters: tuple[Starter, ...], role: Role, *, allowed: bool
) -> None:
    site = seed_example(tenants=(tenant(full_failover_by=starters),))
    async with serving(tmp_path, inventory=site) as served:
        request = FailOverSite(tenant="acme", vms=frozenset({"db1"}))
        whose = "acme" if role.startswith("tenant") else None
        for query in ("?dry_run=true", ""):
            status, _, _ = await served.ask("POST", PATH + query, request, role=role, whose=whose)
            assert status == (403 if not allowed else 200 if query else 201)


async def test_runs_are_listed_in_pages_the_newest_first(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        made = []
        for _ in range(5):
            run = await start(served)
            served.runs.end(str(run["id"]))
            made.append(run["id"])
        seen: list[str] = []
        cursor = ""
        while True:
            _, page, _ = await served.ask("GET", f"/v1/runs?limit=2{cursor}")
            seen += [run["id"] for run in page["runs"]]
            if "next" not in page:
                break
            cursor = f"&cursor={page['next']}"
        assert seen == list(reversed(made))


async def test_stop_and_retry_reach_who_carries_it_out(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        run = (await start(served))["id"]
        assert (await served.ask("POST", f"/v1/runs/{run}/stop"))[0] == 202
        assert served.runs.stopped == [(run, "admin-1")]
        served.runs.end(str(run), "failed")
        status, again, response = await served.ask("POST", f"/v1/runs/{run}/retry")
        assert (status, again["request"]) == (201, msgspec.json.decode(codec.encode(REQUEST)))
        assert response.headers["Location"] == f"/v1/runs/{again['id']}"
        assert again["id"] != run
        status, body, _ = await served.ask("POST", f"/v1/runs/{run}/stop")
        assert (status, urn(body)) == (409, "run-over")


async def test_what_is_done_to_appliances_is_the_providers_to_stop_and_retry(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        text = codec.encode(Rebuild(tenant="acme", cause="no answer")).decode()
        at = served.moments.now
        served.runs.runs.start(Run(id="r1", tenant="acme", host="esx1", request=text, actor="ctl1", at=at))
        status, seen, _ = await served.ask("GET", "/v1/runs/r1", role=Role.TENANT_ADMIN, whose="acme")
        assert (status, seen["request"]["request"]) == (200, "rebuild")
        for act in ("stop", "retry"):
            path = f"/v1/runs/r1/{act}"
            status, body, _ = await served.ask("POST", path, role=Role.TENANT_ADMIN, whose="acme")
            assert (status, urn(body)) == (403, "not-allowed")
        assert (await served.ask("POST", "/v1/runs/r1/stop"))[0] == 202


async def test_a_run_about_the_whole_fleet_is_nobodys_but_the_providers(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        text = codec.encode(UpdateFleet(build="a" * 64)).decode()
        at = served.moments.now
        served.runs.runs.start(Run(id="r1", tenant="", host="", request=text, actor="anna", at=at))
        status, seen, _ = await served.ask("GET", "/v1/runs/r1")
        assert (status, "tenant" in seen, "host" in seen) == (200, False, False)
        tenant_admin: dict[str, Any] = {"role": Role.TENANT_ADMIN, "whose": "acme"}
        assert (await served.ask("GET", "/v1/runs/r1", **tenant_admin))[0] == 404
        assert (await served.ask("GET", "/v1/runs", **tenant_admin))[1]["runs"] == []


async def test_a_run_of_a_tenant_and_no_host_is_told_without_one(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        asked = AskTenant(tenant="acme", host="esx1", vms=frozenset({"db1"}), reason="its disk is dying")
        assert (await served.ask("POST", "/v1/tenants/acme/asked", asked))[0] == 201
        acts = [record.act for record in Audit(served.database).records()]
        assert [act.detail for act in acts if act.action == "run.start"] == ["acme"]
        status, body, _ = await served.ask("POST", "/v1/tenants/acme/asked", asked)
        assert (status, "of tenant acme is not over" in body["detail"]) == (409, True)


async def streamed(served: Served, run: object, **headers: str) -> list[tuple[str, str, dict[str, object]]]:
    """Number, kind and detail of each event of a stream, read to its end."""
    _, text, response = await served.ask(
        "GET", f"/v1/runs/{run}/events", headers={"Accept": "text/event-stream", **headers}
    )
    assert response.content_type == "text/event-stream"
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((lines.get("id", ""), lines["event"], msgspec.json.decode(lines["data"])))
    return found


async def test_events_come_as_they_happen_and_go_on_where_one_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "POLL_SECONDS", 0.02)
    async with serving(tmp_path, inventory=seed_example()) as served:
        run = str((await start(served))["id"])
        served.runs.tell(run, "started", stage=1)
        reading = asyncio.create_task(streamed(served, run))
        await asyncio.sleep(0.1)
        served.runs.tell(run, "done", stage=1)
        served.runs.end(run, "ended")
        events = await asyncio.wait_for(reading, 10)
        assert [(number, kind) for number, kind, _ in events] == [
            ("1", "started"),
            ("2", "done"),
            ("3", "ended"),
            ("", "end"),
        ]
        assert events[1][2]["detail"] == {"stage": 1}
        rest = await streamed(served, run, **{"Last-Event-ID": "2"})
        assert [number for number, _, _ in rest] == ["3", ""]
        status, _, _ = await served.ask(
            "GET",
            f"/v1/runs/{run}/events",
            headers={"Accept": "text/event-stream", "Last-Event-ID": "3"},
        )
        assert status == 204
        _, told, _ = await served.ask("GET", f"/v1/runs/{run}/events?after=1")
        assert ([event["number"] for event in told["events"]], told["open"]) == ([2, 3], False)


async def test_a_stream_asked_for_with_head_is_its_headers(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        run = str((await start(served))["id"])
        served.runs.tell(run, "started", stage=1)
        asked = served.ask("HEAD", f"/v1/runs/{run}/events", headers={"Accept": "text/event-stream"})
        status, text, response = await asyncio.wait_for(asked, 10)
        assert (status, text, response.content_type) == (200, "", "text/event-stream")
        assert (response.headers["Server"], response.headers["Cache-Control"]) == ("causeway", "no-store")


async def test_streams_end_when_the_controller_stops(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        run = str((await start(served))["id"])
        reading = asyncio.create_task(streamed(served, run))
        served.runs.tell(run, "started")
        await asyncio.sleep(0.7)
        await served.stop()
        assert [kind for _, kind, _ in await asyncio.wait_for(reading, 10)] == ["started"]
