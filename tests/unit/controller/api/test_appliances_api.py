"""Appliances over the API: asked for by who may, written down, and told why when it fails."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest

from causeway_controller.api.callers import not_found
from causeway_controller.app.disk_watch import DiskWatch
from causeway_controller.contract import requests
from causeway_controller.contract.access import Role
from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.requests import Chore, Redeploy, RedeployGateway, Retire, RetireGateway
from causeway_controller.contract.status import Status
from causeway_controller.errors import AgentUnreachable, SecretMissing, StoreError
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.inventory import modes
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.inventory.modes import Full
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Audit
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standing, Standings
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests import run_events
from tests.controller_api import Served, serving, two_tenants
from tests.provider_inventory import seed_example, two_hosts

PATH = "/v1/tenants/acme/hosts/esx1/appliance"


async def test_an_appliance_is_asked_for_and_that_is_written_down(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        status, body, _ = await served.ask("PUT", PATH, role=Role.OPERATOR)
        assert (status, body) == (200, {"appliance": "acme-esx1", "tenant": "acme", "host": "esx1"})
        acts = [record.act for record in Audit(served.database).records()]
        assert ("appliance.ensure", "acme on esx1") in {(act.action, act.subject) for act in acts}


@pytest.mark.parametrize(
    ("failing", "status", "word"),
    [
        (HypervisorError("no host has enough memory"), 503, "enough memory. What was done stays"),
        (AgentUnreachable("acme-esx1", "192.0.2.1", "no route"), 503, "What was done stays"),
        (ProblemError(problem(ProblemType.NOT_FOUND, "no subscription")), 404, "no subscription"),
    ],
)
async def test_what_fails_is_told(tmp_path: Path, failing: Exception, status: int, word: str) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        served.appliances.failing = failing
        found, body, _ = await served.ask("PUT", PATH)
        assert found == status
        assert word in body["detail"]


@pytest.mark.parametrize("role", [Role.TENANT_ADMIN, Role.TENANT_OPERATOR, Role.AUDITOR])
async def test_tenants_and_auditors_deploy_nothing(tmp_path: Path, role: Role) -> None:
    whose = None if role is Role.AUDITOR else "acme"
    async with serving(tmp_path, inventory=seed_example()) as served:
        status, _, _ = await served.ask("PUT", PATH, role=role, whose=whose)
        assert status == 403
        assert served.appliances.asked == []


async def test_a_defect_of_the_store_is_not_taken_for_the_hosts(tmp_path: Path) -> None:
    """It is the edge that tells of the store, for all handlers alike."""
    async with serving(tmp_path, inventory=seed_example()) as served:
        served.appliances.failing = StoreError("the disk is full")
        status, body, _ = await served.ask("PUT", PATH)
        assert status == 503
        assert "repeat it when the store works" in body["detail"]


async def test_a_secret_that_nobody_entered_is_no_defect_of_the_store(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        served.appliances.failing = SecretMissing("vc1")
        status, body, _ = await served.ask("PUT", PATH)
        assert (status, "store" in body["detail"]) == (503, False)
        assert "causeway vault put vc1" in body["detail"]


async def test_a_tenant_that_a_token_does_not_see_is_not_there(tmp_path: Path) -> None:
    """An operator's token sees all tenants; the answer about one that is not entered is the inventory's."""
    async with serving(tmp_path, inventory=seed_example()) as served:
        served.appliances.failing = not_found("tenant zeta")
        status, body, _ = await served.ask("PUT", PATH.replace("acme", "zeta"))
        assert (status, "zeta" in body["detail"]) == (404, True)


def entered(served: Served, tenant: str, **members: Any) -> None:
    """An appliance of the tenant that was deployed, and seen as this."""
    one = Deployed(
        id=f"{tenant}-esx1", tenant=tenant, host="esx1", address=ip_address("192.0.2.1"), port=8443
    )
    appliances = Appliances(served.database)
    now = served.moments.now
    appliances.enter(one, at=now)
    appliances.saw([replace(one, entered=now, asked=now, since=now, **members)])


async def test_what_is_wrong_with_an_appliance_is_the_first_line_of_the_status(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        entered(served, "zeta", condition=Condition.HEALTHY, intended="idle")
        entered(served, "acme", condition=Condition.SILENT, cause="connection refused", intended="idle")
        served.moments.pass_(minutes=2)
        _, body, _ = await served.ask("GET", "/v1/status")
        assert body["summary"].startswith(
            "acme on esx1: has not answered once in 2 min (connection refused); repeat"
        )
        assert (body["deployed"], len(body["troubles"])) == (2, 1)
        _, listed, _ = await served.ask("GET", "/v1/appliances")
        assert [one["tenant"] for one in listed["appliances"]] == ["acme", "zeta"]
        _, text, _ = await served.ask("GET", "/metrics")
        assert 'causeway_appliances{condition="silent"} 1.0' in text
        assert 'causeway_appliances{condition="missing"} 0.0' in text


async def test_what_is_wrong_with_the_controller_itself_comes_before_all_else(tmp_path: Path) -> None:
    disk = DiskWatch(directories=(tmp_path,), least=1 << 62)
    async with serving(tmp_path, inventory=two_tenants(), own=(disk,)) as served:
        entered(served, "acme", condition=Condition.SILENT, cause="connection refused", intended="idle")
        served.moments.pass_(minutes=2)
        _, body, _ = await served.ask("GET", "/v1/status")
        assert body["summary"].startswith("disk of this controller: ")
        assert [one["subject"] for one in body["troubles"]][:2] == ["disk of this controller", "acme on esx1"]
        _, text, _ = await served.ask("GET", "/metrics")
        assert f"causeway_troubles {len(body['troubles'])}.0" in text
        _, body, _ = await served.ask("GET", "/v1/status", role=Role.TENANT_ADMIN, whose="acme")
        assert "disk" not in str(body)


async def test_nobody_is_sent_to_redeploy_an_appliance_that_may_be_in_the_middle_of_its_update(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        entered(
            served, "acme", condition=Condition.SILENT, cause="connection refused", seen=served.moments.now
        )
        served.moments.pass_(minutes=1, seconds=30)
        _, listed, _ = await served.ask("GET", "/v1/appliances")
        told = listed["appliances"][0]["trouble"]
        assert "being updated, or starts anew, answers within 10 min: wait for that" in told
        assert "redeploy" not in told
        served.moments.pass_(minutes=9)
        entered(
            served,
            "acme",
            condition=Condition.SILENT,
            cause="connection refused",
            seen=served.moments.now - timedelta(minutes=11),
        )
        _, listed, _ = await served.ask("GET", "/v1/appliances")
        assert "`causeway appliance redeploy acme esx1`" in listed["appliances"][0]["trouble"]


async def test_replicas_that_a_settled_run_left_on_are_told_with_what_ends_them(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        runs, at = Runs(served.database), served.moments.now
        runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=at))
        full = {"mode": {"mode": "full", "vms": ["db1", "web1"]}}
        partial = {"mode": {"mode": "partial", "vms": ["db1"]}}
        for kind, told in (("started", full), ("settled", partial), ("failed", {"why": "another plan"})):
            detail = json.dumps(told)
            if kind == "settled":
                left = Standing(mode=modes.read(partial["mode"]))
                run_events.append(runs, "r1", epoch=1, kind=kind, detail=detail, at=at, left=left)
            elif kind == "failed":
                run_events.finish(runs, "r1", epoch=1, kind=kind, detail=detail, at=at)
            else:
                run_events.append(runs, "r1", epoch=1, kind=kind, detail=detail, at=at)
        _, body, _ = await served.ask("GET", "/v1/status")
        told = body["troubles"][0]
        assert told["subject"] == "acme on esx1"
        assert "may be on, though no failover has them: web1;" in told["detail"]
        assert "`causeway failover undo acme --full --host esx1 --keep-partial db1`" in told["detail"]
        _, text, _ = await served.ask("GET", "/metrics")
        assert f"causeway_troubles {float(len(body['troubles']))}" in text


async def test_a_tenant_is_told_of_its_own_appliance_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        entered(served, "zeta", condition=Condition.HEALTHY)
        entered(served, "acme", condition=Condition.DEGRADED, cause="the disk is full")
        for path in ("/v1/status", "/v1/appliances"):
            _, body, _ = await served.ask("GET", path, role=Role.TENANT_ADMIN, whose="zeta")
            assert "acme" not in str(body)
            _, body, _ = await served.ask("GET", path, role=Role.TENANT_ADMIN, whose="acme")
            assert "the disk is full" in str(body)
        status, _, _ = await served.ask("GET", PATH, role=Role.TENANT_ADMIN, whose="zeta")
        assert status == 404


async def test_a_tenant_is_told_nothing_of_gateways(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        entered(served, "acme", condition=Condition.HEALTHY)
        _, body, _ = await served.ask("GET", "/v1/status")
        assert "gateway gw1" in str(body["notices"])
        _, body, _ = await served.ask("GET", "/v1/status", role=Role.TENANT_ADMIN, whose="acme")
        assert body["notices"] == [], "those that are deployed are not its own, and none can be seen"


async def test_what_is_not_failed_over_of_a_site_that_is_as_a_whole_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_hosts()) as served:
        (tenant,) = (one for one in two_hosts().tenants if one.id == "acme")
        host = next(vm.replica.host for vm in tenant.vms if vm.replica)
        there = sorted(vm.name for vm in tenant.vms if vm.replica and vm.replica.host == host)
        full = Standing(mode=Full(frozenset(there[1:])))
        Standings(served.database).put("acme", host, full)
        _, body, _ = await served.ask("GET", "/v1/status", role=Role.TENANT_ADMIN, whose="acme")
        told = body["notices"][0]
        assert told["subject"] == f"acme on {host}"
        assert f"not failed over, in a full failover of the others: {there[0]};" in told["detail"]


async def test_a_status_without_what_older_controllers_do_not_tell_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        _, body, _ = await served.ask("GET", "/v1/status")
        del body["notices"]
        assert msgspec.convert(body, Status).notices == ()


async def test_an_appliance_that_was_not_deployed_is_not_found(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        assert (await served.ask("GET", PATH))[0] == 404
        entered(served, "acme", condition=Condition.HEALTHY, mode="idle")
        status, body, _ = await served.ask("GET", PATH)
        assert (status, body["condition"], body["mode"]) == (200, "healthy", "idle")


async def test_a_gateway_is_shown_as_an_appliance_is_and_to_no_tenant(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        status, body, _ = await served.ask("GET", "/v1/gateways/gw1")
        assert (status, "no gateway gw1 is deployed; see `causeway appliance list`" in body["detail"]) == (
            404,
            True,
        )
        place = Deployed(id="gw1", tenant=NOBODY, host="gw1", address=ip_address("192.0.2.9"), port=8443)
        Appliances(served.database).enter(place, at=served.moments.now)
        entered(served, "acme", condition=Condition.HEALTHY)
        status, body, _ = await served.ask("GET", "/v1/gateways/gw1", role=Role.AUDITOR)
        assert (status, body["appliance"], "tenant" in body) == (200, "gw1", False)
        assert (await served.ask("GET", "/v1/gateways/acme-esx1"))[0] == 404, "an appliance is no gateway"
        status, body, _ = await served.ask("GET", "/v1/gateways/gw1", role=Role.TENANT_ADMIN, whose="acme")
        assert (status, body["detail"]) == (404, "there is no gateway gw1")


@pytest.mark.parametrize(
    ("method", "path", "told", "action"),
    [
        ("POST", f"{PATH}/rotate?revoke=true", ("rotate", True), "appliance.rotate"),
    ],
)
async def test_what_is_done_to_an_appliance_is_written_down_before(
    tmp_path: Path, method: str, path: str, told: tuple[str, bool], action: str
) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        served.appliances.failing = HypervisorError("no host answers")
        status, body, _ = await served.ask(method, path, role=Role.OPERATOR)
        assert (status, "What was done stays" in body["detail"]) == (503, True)
        assert action in {record.act.action for record in Audit(served.database).records()}
        served.appliances.failing = None
        status, _, _ = await served.ask(method, path, role=Role.OPERATOR)
        assert (status, served.appliances.told[-1][:2]) == (200, told)


@pytest.mark.parametrize(
    ("method", "path", "place", "wanted"),
    [
        ("POST", f"{PATH}/redeploy", "acme on esx1", Redeploy(tenant="acme")),
        ("POST", "/v1/gateways/gw1/redeploy", "gateway gw1", RedeployGateway(gateway="gw1")),
        ("DELETE", PATH, "acme on esx1", Retire(tenant="acme")),
        ("DELETE", "/v1/gateways/gw1", "gateway gw1", RetireGateway(gateway="gw1")),
    ],
)
async def test_a_machine_s_end_is_a_run_that_is_begun_once_and_written_down(
    tmp_path: Path, method: str, path: str, place: str, wanted: Chore
) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        status, planned, _ = await served.ask(method, f"{path}?dry_run=true", role=Role.OPERATOR)
        assert (status, served.runs.runs.open()) == (200, ())
        assert planned["stages"]
        again = {"Idempotency-Key": "k1"}
        status, first, _ = await served.ask(method, path, role=Role.OPERATOR, headers=again)
        assert status == 201
        assert (await served.ask(method, path, role=Role.OPERATOR, headers=again))[1] == first
        option = "gone" if method == "DELETE" else "keep_certificates"
        other = f"{path}?{option}=true"
        status, body, _ = await served.ask(method, other, role=Role.OPERATOR, headers=again)
        assert (status, body["type"].rpartition(":")[2]) == (422, "key-reused")
        (run,) = served.runs.runs.open()
        assert (run.id, run.tenant) == (first["id"], "acme" if "acme" in place else NOBODY)
        assert requests.read_chore(run.request.encode()) == wanted
        acts = [record.act for record in Audit(served.database).records()]
        action = "appliance.retire" if method == "DELETE" else "appliance.redeploy"
        assert (action, place) in {(act.action, act.detail) for act in acts}


async def test_a_tenant_redeploys_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        for path in (f"{PATH}/redeploy", "/v1/gateways/gw1/redeploy"):
            assert (await served.ask("POST", path, role=Role.TENANT_ADMIN, whose="acme"))[0] == 403
        assert served.runs.runs.open() == ()


async def test_an_appliance_that_the_inventory_needs_no_longer_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        entered(served, "gone", condition=Condition.HEALTHY, intended="idle")
        _, body, _ = await served.ask("GET", "/v1/status")
        assert "`causeway appliance retire gone esx1`" in body["summary"]
