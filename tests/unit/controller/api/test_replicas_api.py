"""Replicas over the API: entered by what replicates as if by hand, each refusal under its member."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from causeway_controller.api.tags import ANY
from causeway_controller.contract.access import Role
from causeway_controller.contract.replicas import RegisterReplica
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.errors import SecretMissing
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.inventory import modes
from causeway_controller.store.audit import Audit
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standing, Standings
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, combine, problem
from tests.controller_api import Served, serving, two_tenants
from tests.provider_inventory import other_tenant, seed_example, tenant, vm, with_

PATH = "/v1/tenants/acme/replicas/db1"
POINT = datetime(2026, 5, 6, 6, 0, tzinfo=UTC)
SAME = RegisterReplica(host="esx1", vm_id="vm-db1", restored_to=POINT)
OTHER = RegisterReplica(host="esx1", vm_id="vm-77", restored_to=POINT)
ROBOT: dict[str, Any] = {"role": Role.REPLICATOR, "whose": "acme"}


def entered(served: Served) -> Any:
    stored = Inventories(served.database, now=lambda: served.moments.now).load()
    return stored.revision, {one.name: one.replica for one in stored.inventory.tenants[0].vms}


async def test_a_restore_point_is_kept_without_touching_inventory_or_host(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        before = entered(served)
        status, told, response = await served.ask("PUT", PATH, SAME, **ROBOT)
        assert (status, told["restored_to"], told["told_by"]) == (200, "2026-05-06T06:00:00Z", "replicator-1")
        assert "wrong" not in told
        assert entered(served) == before
        assert served.hosts.asked == []
        _, seen, again = await served.ask("GET", PATH, role=Role.TENANT_OPERATOR, whose="acme")
        assert (seen, again.headers["ETag"]) == (told, response.headers["ETag"])
        held = {"If-None-Match": again.headers["ETag"]}
        assert (await served.ask("GET", PATH, headers=held))[0] == 304


@pytest.mark.parametrize(
    "refuses", [HypervisorError("no connection to qemu+tls://10.0.0.7: refused"), SecretMissing("esx1-login")]
)
async def test_how_a_host_is_met_is_told_to_staff_alone(tmp_path: Path, refuses: Exception) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        served.hosts.refuses = refuses
        status, told, _ = await served.ask("PUT", PATH, OTHER, **ROBOT)
        assert (status, "staff" in told["detail"], str(refuses) in told["detail"]) == (503, True, False)
        status, told, _ = await served.ask("PUT", PATH, OTHER)
        assert (status, str(refuses) in told["detail"]) == (503, True)


async def test_another_vm_is_looked_for_and_entered_as_if_by_hand(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        status, told, _ = await served.ask("PUT", PATH, OTHER, **ROBOT)
        assert (status, told["vm_id"]) == (200, "vm-77")
        assert served.hosts.asked == [("esx1", "vm-77")]
        by_program = entered(served)
        assert by_program[1]["db1"] == ReplicaVm(host="esx1", vm_id="vm-77")
        acts = [(one.act.actor, one.act.action, one.act.subject) for one in Audit(served.database).records()]
        assert ("replicator-1", "replica.register", "replica acme/db1") in acts
        by_hand = with_(vm("db1", 12), replica=ReplicaVm(host="esx1", vm_id="vm-77"))
        zeta = two_tenants().tenants[1]
        wanted = seed_example(tenants=(tenant(vms=(vm("web1", 11), by_hand)), zeta))
        _, change, _ = await served.ask("PUT", "/v1/inventory?dry_run=true", wanted)
        assert change["entries"] == []


async def test_a_vm_without_a_replica_gets_one_and_loses_it_again(tmp_path: Path) -> None:
    none = with_(vm("db1", 12), replica=UNSET)
    async with serving(
        tmp_path, inventory=seed_example(tenants=(tenant(vms=(vm("web1", 11), none)),))
    ) as served:
        assert (await served.ask("GET", PATH))[0] == 404
        there = {"If-Match": ANY}
        assert (await served.ask("PUT", PATH, SAME, headers=there, **ROBOT))[0] == 412
        assert (await served.ask("PUT", PATH, SAME, **ROBOT))[0] == 201
        _, listed, _ = await served.ask("GET", "/v1/tenants/acme/replicas", **ROBOT)
        assert [(one["vm"], one["vm_id"]) for one in listed["replicas"]] == [
            ("web1", "vm-web1"),
            ("db1", "vm-db1"),
        ]
        for _ in range(2):
            assert (await served.ask("DELETE", PATH, **ROBOT))[0] == 204
        assert (await served.ask("GET", PATH))[0] == 404
        assert (await served.ask("PUT", PATH, with_(SAME, restored_to=POINT), **ROBOT))[0] == 201


async def test_what_is_told_of_one_vm_is_not_told_of_the_next(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        await served.ask("PUT", PATH, SAME, **ROBOT)
        moved = with_(vm("db1", 12), replica=ReplicaVm(host="esx1", vm_id="vm-78"))
        changed = seed_example(tenants=(tenant(vms=(vm("web1", 11), moved)), two_tenants().tenants[1]))
        await served.ask("PUT", "/v1/inventory", changed, headers={"If-Match": "*"})
        _, seen, _ = await served.ask("GET", PATH)
        assert (seen["vm_id"], "restored_to" in seen, "told" in seen) == ("vm-78", False, False)


async def test_who_means_another_state_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        _, _, response = await served.ask("PUT", PATH, SAME, **ROBOT)
        old = response.headers["ETag"]
        served.moments.pass_(minutes=1)
        later = with_(SAME, restored_to=POINT + timedelta(minutes=30))
        assert (await served.ask("PUT", PATH, later, headers={"If-Match": old}, **ROBOT))[0] == 200
        for method, body in (("PUT", OTHER), ("DELETE", None)):
            status, told, _ = await served.ask(method, PATH, body, headers={"If-Match": old}, **ROBOT)
            assert (status, told["type"].rpartition(":")[2]) == (412, "precondition-failed")
        assert entered(served)[1]["db1"] == ReplicaVm(host="esx1", vm_id="vm-db1")


UNFIT = ProblemError(problem(ProblemType.INVALID, "it is powered on; power it off", pointer="/vm_id"))


@pytest.mark.parametrize(
    ("asked", "refuses", "expected"),
    [
        (with_(OTHER, host="esx9"), None, (422, "unknown-reference", "/host")),
        (with_(OTHER, vm_id="vm-web1"), None, (422, "duplicate", "/vm_id")),
        (with_(OTHER, restored_to=datetime(2027, 1, 1, tzinfo=UTC)), None, (422, "invalid", "/restored_to")),
        (OTHER, UNFIT, (422, "invalid", "/vm_id")),
        (OTHER, HypervisorError("host esx1 cannot be reached"), (503, "unavailable", None)),
    ],
)
async def test_what_cannot_be_meant_is_named_and_nothing_changes(
    tmp_path: Path, asked: RegisterReplica, refuses: Exception | None, expected: tuple[int, str, str | None]
) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        served.hosts.refuses = refuses
        before = entered(served)
        status, told, _ = await served.ask("PUT", PATH, asked, **ROBOT)
        assert (status, told["type"].rpartition(":")[2], told.get("pointer")) == expected
        assert entered(served) == before
        assert "restored_to" not in (await served.ask("GET", PATH))[1]


async def test_a_host_without_a_subscription_is_not_even_asked(tmp_path: Path) -> None:
    """Who is bound to a tenant may not look for VMs on every host."""
    theirs = other_tenant(vms=(vm("x", 12),), subscriptions=())
    nobodys = with_(theirs, vms=(with_(vm("x", 12), replica=UNSET),))
    async with serving(tmp_path, inventory=seed_example(tenants=(tenant(), nobodys))) as served:
        status, told, _ = await served.ask(
            "PUT", "/v1/tenants/bolt/replicas/x", OTHER, role=Role.REPLICATOR, whose="bolt"
        )
        assert (status, told["pointer"], served.hosts.asked) == (422, "/host", [])


async def test_another_tenants_replica_is_told_without_naming_them(tmp_path: Path) -> None:
    bare = with_(vm("x", 12), replica=UNSET)
    other = other_tenant(vms=(bare,), subscriptions=(tenant("bolt").subscriptions[0],))
    async with serving(tmp_path, inventory=seed_example(tenants=(tenant(), other))) as served:
        status, told, _ = await served.ask(
            "PUT", "/v1/tenants/bolt/replicas/x", SAME, role=Role.REPLICATOR, whose="bolt"
        )
        assert (status, told["pointer"]) == (422, "/vm_id")
        assert "acme" not in str(told)
        assert "db1 is" not in str(told)


async def test_what_is_wrong_with_other_tenants_is_told_to_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules may be others than when the inventory was entered."""

    def refused(*_: object, **__: object) -> None:
        theirs = [
            problem(ProblemType.INVALID, f"web{n} of zeta", pointer=f"/tenants/1/vms/{n}") for n in (1, 2)
        ]
        ours = problem(ProblemType.INVALID, "the network of db1", pointer="/tenants/0/networks/0")
        raise ProblemError(combine((*theirs, ours)))

    monkeypatch.setattr(Inventories, "tried", refused)
    async with serving(tmp_path, inventory=two_tenants()) as served:
        status, told, _ = await served.ask("PUT", PATH, OTHER, **ROBOT)
        assert (status, "zeta" in str(told), "network of db1" in str(told)) == (422, False, True)
        assert len(told["errors"]) == 2
        assert "web2 of zeta" in str((await served.ask("PUT", PATH, OTHER))[1])


async def test_a_vm_that_nobody_entered_is_not_found(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        status, told, _ = await served.ask("PUT", "/v1/tenants/acme/replicas/new1", SAME, **ROBOT)
        assert status == 404
        assert "with its network and addresses" in told["detail"]


async def test_a_replica_that_is_needed_now_stays_where_it_is(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        Standings(served.database).put("acme", "esx1", Standing(mode=modes.partial(frozenset({"db1"}))))
        for method, body, pointer in (("PUT", OTHER, "/vm_id"), ("DELETE", None, "")):
            status, told, _ = await served.ask(method, PATH, body, **ROBOT)
            assert (status, told["type"].rpartition(":")[2]) == (409, "failover-in-progress")
            assert told["pointer"] == pointer
            assert "causeway failover ask acme VM... --host esx1 --end --reason WHY" in told["detail"]
        assert served.hosts.asked == []
        assert (await served.ask("PUT", PATH, SAME, **ROBOT))[0] == 200
        Standings(served.database).put("acme", "esx1", Standing())
        started = Run(id="r9", tenant="acme", host="esx1", request="{}", actor="x", at=served.moments.now)
        Runs(served.database).start(started)
        assert (await served.ask("DELETE", PATH, **ROBOT))[0] == 409
        assert entered(served)[1]["db1"] == ReplicaVm(host="esx1", vm_id="vm-db1")


async def test_a_replica_that_its_host_calls_otherwise_by_now_is_found_again(tmp_path: Path) -> None:
    """A hypervisor that was set up anew gives other ids, and the way back has to find what runs."""
    async with serving(tmp_path, inventory=two_tenants()) as served:
        Standings(served.database).put("acme", "esx1", Standing(mode=modes.partial(frozenset({"db1"}))))
        assert (await served.ask("PUT", PATH, OTHER, **ROBOT))[0] == 409
        served.hosts.refuses = UNFIT
        assert (await served.ask("PUT", PATH, OTHER))[0] == 422
        assert entered(served)[1]["db1"] == ReplicaVm(host="esx1", vm_id="vm-db1")
        served.hosts.refuses = None
        assert (await served.ask("PUT", PATH, OTHER))[0] == 200
        assert entered(served)[1]["db1"] == ReplicaVm(host="esx1", vm_id="vm-77")
        assert served.hosts.asked == [("esx1", "vm-db1 -> vm-77")] * 2
        assert (await served.ask("DELETE", PATH))[0] == 409


async def test_what_becomes_so_while_the_host_is_asked_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        _, _, response = await served.ask("GET", PATH, **ROBOT)
        held = {"If-Match": response.headers["ETag"]}
        third = with_(OTHER, vm_id="vm-79")

        async def registered(name: str, wanted: object, **_: object) -> dict[str, object]:
            monkeypatch.undo()
            assert (await served.ask("PUT", PATH, third, **ROBOT))[0] == 200
            return {}

        monkeypatch.setattr(served.hosts, "misfits", registered)
        assert (await served.ask("PUT", PATH, OTHER, headers=held, **ROBOT))[0] == 412

        async def begun(name: str, wanted: object, **_: object) -> dict[str, object]:
            started = Run(id="r9", tenant="acme", host="esx1", request="{}", actor="x", at=served.moments.now)
            Runs(served.database).start(started)
            return {}

        monkeypatch.setattr(served.hosts, "misfits", begun)
        assert (await served.ask("PUT", PATH, OTHER, **ROBOT))[0] == 409
        assert entered(served)[1]["db1"] == ReplicaVm(host="esx1", vm_id="vm-79")


async def test_what_grew_old_and_what_was_renumbered_is_told_with_what_to_do(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        said = with_(SAME, addresses=(ip_address("192.168.10.99"),))
        _, told, _ = await served.ask("PUT", PATH, said, **ROBOT)
        (renumbered,) = told["wrong"]
        assert "says 192.168.10.99, the inventory 192.168.10.12; enter" in renumbered
        served.moments.pass_(days=3)
        _, told, _ = await served.ask("GET", PATH)
        assert told["wrong"][0].startswith("its last restore point is 3 d old")
        assert told["wrong"][1] == renumbered


async def test_the_status_names_what_grew_old_to_those_who_see_the_tenant(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        await served.ask("PUT", PATH, SAME, **ROBOT)
        before = {one["subject"] for one in (await served.ask("GET", "/v1/status"))[1]["troubles"]}
        served.moments.pass_(days=3)
        for role, whose in ((Role.ADMIN, None), (Role.TENANT_OPERATOR, "acme")):
            _, told, _ = await served.ask("GET", "/v1/status", role=role, whose=whose)
            (found,) = (one for one in told["troubles"] if one["subject"] == "replica acme/db1")
            assert found["detail"].endswith("see why db1 is not replicated")
        assert "replica acme/db1" not in before
        _, told, _ = await served.ask("GET", "/v1/status", role=Role.TENANT_OPERATOR, whose="zeta")
        assert "acme" not in str(told)
        _, measured, _ = await served.ask("GET", "/metrics")
        assert f"causeway_troubles {len(before) + 1}.0" in measured


async def test_a_program_that_replicates_may_do_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        for method, path in (
            ("GET", "/v1/inventory"),
            ("GET", "/v1/tenants/acme"),
            ("GET", "/v1/status"),
            ("GET", "/v1/runs"),
            ("GET", "/v1/hosts/esx1/vms"),
            ("GET", "/v1/tokens"),
        ):
            assert (await served.ask(method, path, **ROBOT))[0] == 403
        assert (await served.ask("GET", "/v1/tenants/zeta/replicas", **ROBOT))[0] == 404
        data = codec.encode(SAME)
        assert (await served.ask("PUT", "/v1/tenants/zeta/replicas/db1", data=data, **ROBOT))[0] == 404
