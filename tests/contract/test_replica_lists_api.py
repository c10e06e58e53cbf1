"""Many replicas in one request: all of them are entered, or none, and each refusal names its entry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from causeway_controller.contract.access import Role
from causeway_controller.contract.replicas import ListedReplica, RegisterReplicas
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.inventory import modes
from causeway_controller.store.audit import Audit
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standing, Standings
from causeway_wire.problem import ProblemType, problem
from tests.controller_api import Served, serving
from tests.provider_inventory import network, other_tenant, seed_example, tenant, vm, with_

PATH = "/v1/tenants/acme/replicas"
POINT = datetime(2026, 5, 6, 6, 0, tzinfo=UTC)
ROBOT: dict[str, Any] = {"role": Role.REPLICATOR, "whose": "acme"}
BARE = with_(vm("app1", 13), replica=UNSET)
INVENTORY = seed_example(tenants=(tenant(vms=(vm("web1", 11), vm("db1", 12), BARE)), other_tenant()))


def listed(**vm_ids: str) -> RegisterReplicas:
    return RegisterReplicas(
        replicas=tuple(
            ListedReplica(vm=name, host="esx1", vm_id=vm_id, restored_to=POINT)
            for name, vm_id in vm_ids.items()
        )
    )


def changed(asked: RegisterReplicas, n: int, **members: object) -> RegisterReplicas:
    entries = list(asked.replicas)
    entries[n] = with_(entries[n], **members)
    return RegisterReplicas(replicas=tuple(entries))


GOOD = listed(web1="vm-web1", db1="vm-7", app1="vm-8")


def entered(served: Served) -> Any:
    stored = Inventories(served.database, now=lambda: served.moments.now).load()
    return stored.revision, {one.name: one.replica for one in stored.inventory.tenants[0].vms}


async def test_all_are_entered_at_once_and_the_host_is_asked_for_what_is_new(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=INVENTORY) as served:
        revision, before = entered(served)
        status, tried, _ = await served.ask("POST", f"{PATH}?dry_run=true", GOOD, **ROBOT)
        assert (status, entered(served)) == (200, (revision, before))
        status, told, _ = await served.ask("POST", PATH, GOOD, **ROBOT)
        assert (status, told) == (200, tried)
        assert [(one["vm"], one["vm_id"]) for one in told["replicas"]] == [
            ("web1", "vm-web1"),
            ("db1", "vm-7"),
            ("app1", "vm-8"),
        ]
        assert {one["restored_to"] for one in told["replicas"]} == {"2026-05-06T06:00:00Z"}
        assert entered(served)[0] == revision + 1
        assert served.hosts.asked == [("esx1", "vm-7"), ("esx1", "vm-8")] * 2, "of the trial, and then"
        acts = [(one.act.action, one.act.subject) for one in Audit(served.database).records()]
        assert acts[-2:] == [
            ("replica.register", "replica acme/db1"),
            ("replica.register", "replica acme/app1"),
        ]
        assert Audit(served.database).broken_at() is None
        served.moments.pass_(minutes=1)
        status, again, _ = await served.ask("POST", PATH, GOOD, **ROBOT)
        assert (status, entered(served)[0], len(served.hosts.asked)) == (200, revision + 1, 4)
        assert {one["told"] for one in again["replicas"]} == {"2026-05-06T07:09:09Z"}
        swapped = listed(web1="vm-7", db1="vm-web1")
        assert (await served.ask("POST", PATH, swapped, **ROBOT))[0] == 200
        assert entered(served)[1]["app1"] == ReplicaVm(host="esx1", vm_id="vm-8"), "nobody spoke of it"


WIDE = ip_network("10.64.0.0/16")
LATER = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (changed(GOOD, 1, vm="web1"), [(422, "/replicas/1/vm")]),
        (changed(GOOD, 2, vm="nobody"), [(422, "/replicas/2/vm")]),
        (changed(GOOD, 1, host="esx9"), [(422, "/replicas/1/host")]),
        (changed(GOOD, 2, vm_id="vm-7"), [(422, "/replicas/1/vm_id"), (422, "/replicas/2/vm_id")]),
        (changed(GOOD, 2, vm_id="vm-web1"), [(422, "/replicas/2/vm_id")]),
        (
            changed(changed(GOOD, 0, restored_to=LATER), 2, restored_to=LATER),
            [(422, "/replicas/0/restored_to"), (422, "/replicas/2/restored_to")],
        ),
        (RegisterReplicas(replicas=()), [(422, "/replicas")]),
    ],
)
async def test_each_that_cannot_be_is_named_and_nothing_is_entered(
    tmp_path: Path, asked: RegisterReplicas, said: list[tuple[int, str]]
) -> None:
    async with serving(tmp_path, inventory=INVENTORY) as served:
        before = entered(served)
        status, told, _ = await served.ask("POST", PATH, asked, **ROBOT)
        assert [(status, one["pointer"]) for one in told.get("errors", [told])] == said
        assert entered(served) == before
        _, listed_now, _ = await served.ask("GET", PATH)
        assert all("restored_to" not in one for one in listed_now["replicas"])


async def test_what_the_list_the_inventory_and_a_host_refuse_is_told_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=INVENTORY) as served:
        before = entered(served)
        unfit = problem(ProblemType.INVALID, "it is powered on; power it off", pointer="/vm_id")
        served.hosts.misfitting = {"vm-1": unfit, "vm-8": unfit}
        asked = listed(web1="vm-1", nobody="vm-2", db1="vm-3", app1="vm-8")
        asked = changed(changed(asked, 2, host="esx9"), 0, restored_to=LATER)
        status, told, _ = await served.ask("POST", PATH, asked, **ROBOT)
        assert (status, [one["pointer"] for one in told["errors"]]) == (
            422,
            [
                "/replicas/0/restored_to",
                "/replicas/0/vm_id",
                "/replicas/1/vm",
                "/replicas/2/host",
                "/replicas/3/vm_id",
            ],
        )
        assert {host for host, _ in served.hosts.asked} == {"esx1"}, "esx9 is none, and is not asked"
        served.hosts.refuses = HypervisorError("host esx1 cannot be reached")
        status, told, _ = await served.ask("POST", PATH, asked, **ROBOT)
        assert (status, [one.get("pointer") for one in told["errors"]]) == (
            422,
            ["/replicas/0/restored_to", "/replicas/1/vm", "/replicas/2/host", None],
        )
        assert entered(served) == before


async def test_each_that_its_host_refuses_is_named_and_one_that_is_dead_ends_it(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=INVENTORY) as served:
        before = entered(served)
        unfit = problem(ProblemType.INVALID, "it is powered on; power it off", pointer="/vm_id")
        served.hosts.misfitting = {"vm-7": unfit, "vm-8": unfit}
        status, told, _ = await served.ask("POST", PATH, GOOD, **ROBOT)
        assert (status, [one["pointer"] for one in told["errors"]]) == (
            422,
            ["/replicas/1/vm_id", "/replicas/2/vm_id"],
        )
        served.hosts.refuses = HypervisorError("host esx1 cannot be reached")
        status, told, _ = await served.ask("POST", PATH, GOOD, **ROBOT)
        assert (status, told["detail"]) == (
            503,
            "host esx1 cannot be asked; tell the provider's staff, and repeat this then",
        )
        assert entered(served) == before


async def test_under_a_failover_and_a_run_none_is_entered_and_points_are_told_still(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=INVENTORY) as served:
        before = entered(served)
        Standings(served.database).put("acme", "esx1", Standing(mode=modes.partial(frozenset({"db1"}))))
        for caller in (ROBOT, {}):
            status, told, _ = await served.ask("POST", PATH, GOOD, **caller)
            assert (status, told["pointer"]) == (409, "/replicas/1/vm_id")
            assert "causeway failover ask acme VM... --host esx1 --end --reason WHY" in told["detail"]
        same = listed(web1="vm-web1", db1="vm-db1")
        assert (await served.ask("POST", PATH, same, **ROBOT))[0] == 200
        Standings(served.database).put("acme", "esx1", Standing())
        started = Run(id="r9", tenant="acme", host="esx1", request="{}", actor="x", at=served.moments.now)
        Runs(served.database).start(started)
        assert (await served.ask("POST", PATH, GOOD, **ROBOT))[0] == 409
        assert entered(served) == before


async def test_only_who_enters_one_enters_many_and_another_tenants_are_not_there(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=INVENTORY) as served:
        assert (await served.ask("POST", PATH, GOOD, role=Role.TENANT_ADMIN, whose="acme"))[0] == 403
        status, told, _ = await served.ask("POST", PATH, GOOD, role=Role.REPLICATOR, whose="bolt")
        nowhere = PATH.replace("acme", "nobody")
        _, none, _ = await served.ask("POST", nowhere, GOOD, role=Role.REPLICATOR, whose="bolt")
        assert (status, told["detail"]) == (404, none["detail"].replace("nobody", "acme"))
        theirs = RegisterReplicas(
            replicas=tuple(
                ListedReplica(vm=one.name, host="esx1", vm_id="vm-web1") for one in other_tenant().vms[:1]
            )
        )
        path = "/v1/tenants/bolt/replicas"
        status, told, _ = await served.ask("POST", path, theirs, role=Role.REPLICATOR, whose="bolt")
        assert (status, "acme" in str(told), "web1 is" in str(told)) == (422, False, False)


async def test_what_becomes_so_while_the_host_is_asked_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, inventory=INVENTORY) as served:

        async def begun(name: str, wanted: object, **_: object) -> dict[str, object]:
            started = Run(id="r9", tenant="acme", host="esx1", request="{}", actor="x", at=served.moments.now)
            Runs(served.database).start(started)
            return {}

        before = entered(served)
        monkeypatch.setattr(served.hosts, "misfits", begun)
        assert (await served.ask("POST", PATH, GOOD, **ROBOT))[0] == 409
        assert entered(served) == before


async def test_what_somebody_else_changes_while_the_host_is_asked_is_asked_for_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was as it is wanted when the host was asked, and is entered over what it became."""
    async with serving(tmp_path, inventory=INVENTORY) as served:
        rounds: list[set[str]] = []

        async def moved(name: str, wanted: Mapping[str, ReplicaVm], **_: object) -> dict[str, object]:
            rounds.append(set(wanted))
            if len(rounds) == 1:
                stored = Inventories(served.database, now=lambda: served.moments.now)
                before = stored.load()
                (acme, other) = before.inventory.tenants
                vms = tuple(
                    with_(one, replica=ReplicaVm(host="esx1", vm_id="vm-99")) if one.name == "web1" else one
                    for one in acme.vms
                )
                tenants = (with_(acme, vms=vms), other)
                stored.replace(
                    with_(before.inventory, tenants=tenants), expected=before.revision, actor="otto"
                )
            return {}

        monkeypatch.setattr(served.hosts, "misfits", moved)
        assert (await served.ask("POST", PATH, GOOD, **ROBOT))[0] == 200
        assert rounds == [{"db1", "app1"}, {"web1"}]
        assert entered(served)[1]["web1"].vm_id == "vm-web1"


async def test_ten_times_as_many_take_about_ten_times_as_long(tmp_path: Path) -> None:
    seconds = {}
    for count in (150, 1500):
        names = [f"v{n}" for n in range(count)]
        vms = tuple(
            with_(vm("x", 11), name=name, addresses=(WIDE[n],), replica=UNSET)
            for n, name in enumerate(names, 100)
        )
        lan = with_(network(), prefixes=(WIDE,), gateways=(WIDE[1],))
        place = tmp_path / str(count)
        place.mkdir()
        many = tenant(vms=vms, failover_plans=(), networks=(lan, network("dmz", 20)))
        whole = seed_example(tenants=(many,))
        async with serving(place, inventory=whole) as served:
            asked = listed(**{name: f"vm-{name}" for name in names})
            begun = time.process_time()
            status, told, _ = await served.ask("POST", PATH, asked, **ROBOT)
            seconds[count] = time.process_time() - begun
            assert (status, len(told["replicas"])) == (200, count)
    assert seconds[1500] < 30 * seconds[150], seconds
