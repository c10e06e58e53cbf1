"""Appliances over the API: asked for by who may, written down, and told why when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from causeway_controller.api.callers import not_found
from causeway_controller.contract.access import Role
from causeway_controller.errors import AgentUnreachable, StoreError
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.store.audit import Audit
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests.controller_api import serving
from tests.provider_inventory import seed_example

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


async def test_a_tenant_that_a_token_does_not_see_is_not_there(tmp_path: Path) -> None:
    """An operator's token sees all tenants; the answer about one that is not entered is the inventory's."""
    async with serving(tmp_path, inventory=seed_example()) as served:
        served.appliances.failing = not_found("tenant zeta")
        status, body, _ = await served.ask("PUT", PATH.replace("acme", "zeta"))
        assert (status, "zeta" in body["detail"]) == (404, True)
