"""The inventory over the API: whole or not at all, never over somebody else's, tried before it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from causeway_controller.api.inventory import etag
from causeway_controller.contract.access import Role
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.inventory import modes
from causeway_controller.store.audit import Audit
from causeway_controller.store.tenancies import Standing, Standings
from causeway_wire import codec
from tests.controller_api import serving, two_tenants
from tests.provider_inventory import seed_example, tenant, vm, with_


async def test_entered_read_changed_and_read_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        _, empty, response = await served.ask("GET", "/v1/inventory")
        assert codec.decode(codec.encode(empty), Inventory) == Inventory()
        tag = response.headers["ETag"]
        status, change, response = await served.ask(
            "PUT", "/v1/inventory", seed_example(), headers={"If-Match": tag}
        )
        assert (status, change["revision"], response.headers["ETag"]) == (200, 1, etag(1))
        assert {"act": "added", "kind": "tenants", "id": "acme"} in change["entries"]
        (appliance,) = change["appliances"]
        assert (appliance["act"], appliance["host"], len(appliance["adapters"])) == ("added", "esx1", 6)
        _, body, response = await served.ask("GET", "/v1/inventory")
        assert codec.decode(codec.encode(body), Inventory) == seed_example()
        assert response.headers["ETag"] == etag(1)


async def test_the_audit_knows_who_entered_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.ask("PUT", "/v1/inventory", seed_example(), headers={"If-Match": "*"})
        acts = [record.act for record in Audit(served.database).records()]
        assert ("admin-1", "inventory.replace") in {(act.actor, act.action) for act in acts}


async def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        status, tried, _ = await served.ask("PUT", "/v1/inventory?dry_run=true", seed_example())
        assert status == 200
        _, empty, response = await served.ask("GET", "/v1/inventory")
        assert (empty["tenants"], response.headers["ETag"]) == ([], etag(0))
        _, done, _ = await served.ask(
            "PUT", "/v1/inventory", seed_example(), headers={"If-Match": response.headers["ETag"]}
        )
        assert tried == {**done, "revision": 0}


async def test_what_is_freed_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        _, change, _ = await served.ask(
            "PUT", "/v1/inventory?dry_run=true", with_(two_tenants(), tenants=(tenant(),))
        )
        assert change["entries"] == [{"act": "removed", "kind": "tenants", "id": "zeta"}]
        assert {lease["act"] for lease in change["leases"]} == {"removed"}
        assert {lease["tenant"] for lease in change["leases"]} == {"zeta"}


async def test_all_that_is_wrong_with_the_shape_is_told_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        body = {"hosts": [{"id": "a", "kind": "vmware"}], "tenants": [{"id": "B"}], "pools": []}
        status, told, _ = await served.ask("PUT", "/v1/inventory", body, headers={"If-Match": "*"})
        assert status == 422
        assert sorted(one["pointer"] for one in told["errors"]) == [
            *("/hosts/0", "/hosts/0", "/hosts/0/kind"),
            *("/pools", "/tenants/0", "/tenants/0/id"),
        ]


@pytest.mark.parametrize("dry", ["", "?dry_run=true"])
async def test_a_broken_rule_is_named_by_pointer_and_nothing_changes(tmp_path: Path, dry: str) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        status, body, _ = await served.ask(
            "PUT",
            "/v1/inventory" + dry,
            seed_example(vlan_pools=(), hosts=()),
            headers={"If-Match": etag(1)},
        )
        assert (status, body["pointer"][0]) == (422, "/")
        assert len(body["errors"]) > 1
        _, _, response = await served.ask("GET", "/v1/inventory")
        assert response.headers["ETag"] == etag(1)


@pytest.mark.parametrize("dry", ["", "?dry_run=true"])
async def test_what_a_failover_rests_on_is_refused_and_nothing_changes(tmp_path: Path, dry: str) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        Standings(served.database).put("acme", "esx1", Standing(mode=modes.partial(frozenset({"db1"}))))
        other = with_(vm("db1", 12), replica=ReplicaVm(host="esx1", vm_id="vm-99"))
        wanted = seed_example(tenants=(tenant(vms=(vm("web1", 11), other)),))
        held = {"If-Match": etag(1)}
        status, told, _ = await served.ask("PUT", "/v1/inventory" + dry, wanted, headers=held)
        assert (status, told["pointer"]) == (409, "/tenants/0/vms/1/replica/vm_id")
        assert told["type"].endswith(":failover-in-progress")
        assert "tenant acme at esx1 is in a partial failover (db1)" in told["detail"]
        assert (await served.ask("GET", "/v1/inventory"))[2].headers["ETag"] == etag(1)
        web1 = with_(vm("web1", 11), replica=ReplicaVm(host="esx1", vm_id="vm-99"))
        runs_on = seed_example(tenants=(tenant(vms=(web1, vm("db1", 12))),))
        assert (await served.ask("PUT", "/v1/inventory" + dry, runs_on, headers=held))[0] == 200


async def test_a_precondition_is_needed_and_must_hold(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:

        async def put(body: Inventory, match: str | None) -> int:
            headers = {} if match is None else {"If-Match": match}
            return (await served.ask("PUT", "/v1/inventory", body, headers=headers))[0]

        assert await put(two_tenants(), None) == 428
        assert await put(two_tenants(), etag(0)) == 412
        assert await put(two_tenants(), "W/" + etag(1)) == 412
        assert await put(two_tenants(), f"{etag(7)}, {etag(1)}") == 200
        assert await put(two_tenants(), etag(1)) == 200, "the answer to the same request may have been lost"


async def test_who_has_it_is_not_sent_it(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        for held, expected in ((etag(1), 304), ("W/" + etag(1), 304), (etag(0), 200)):
            status, _, response = await served.ask("GET", "/v1/inventory", headers={"If-None-Match": held})
            assert (status, response.headers["ETag"]) == (expected, etag(1))


@pytest.mark.parametrize(
    ("headers", "data", "status", "pointer"),
    [
        ({"Content-Type": "application/yaml"}, b"hosts: []", 415, None),
        ({"Content-Encoding": "gzip"}, b"{}", 415, None),
        ({}, b"{", 400, None),
        ({}, b'{"hosts": [], "hosts": []}', 400, "/hosts"),
        ({}, b'{"hosts": [{"id": "UPPER"}]}', 422, "/hosts/0/id"),
        ({}, b'{"unknown": 1}', 422, "/unknown"),
    ],
)
async def test_what_is_no_inventory_is_refused(
    tmp_path: Path, headers: dict[str, str], data: bytes, status: int, pointer: str | None
) -> None:
    async with serving(tmp_path) as served:
        found, body, response = await served.ask(
            "PUT", "/v1/inventory", data=data, headers={"If-Match": "*", **headers}
        )
        assert (found, response.content_type) == (status, "application/problem+json")
        assert body.get("pointer") == pointer


async def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=seed_example()) as served:
        path = "/v1/tenants/acme/hosts/esx1/runs"
        status, body, _ = await served.ask("POST", path, data=b" " * (8 * 1024 * 1024 + 1))
        assert (status, body["type"].rpartition(":")[2]) == (413, "too-large")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2", 404),
        ("GET", "/v1/tenants/UPPER", 404),
        ("GET", "/v1/tenants/a/b", 404),
        ("POST", "/v1/inventory", 405),
        ("PATCH", "/v1/inventory", 405),
        ("GET", "/v1/inventory?x=1", 400),
        ("GET", "/v1/runs?limit=0", 400),
        ("GET", "/v1/runs?limit=1&limit=2", 400),
        ("GET", "/v1/runs?cursor=x", 400),
        ("GET", "/v1/runs?cursor=%00", 400),
        ("GET", "/v1/audit?cursor=-1", 400),
    ],
)
async def test_other_mistakes_are_problems_too(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with serving(tmp_path) as served:
        found, body, response = await served.ask(method, path)
        assert (found, response.content_type) == (status, "application/problem+json")
        assert (body["status"], bool(body["detail"])) == (status, True)
        assert status != 405 or "PUT" in response.headers["Allow"]


async def test_tenants_and_the_appliances_they_need(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        _, listed, _ = await served.ask("GET", "/v1/tenants", role=Role.OPERATOR)
        assert [(one["id"], one["hosts"], one["vms"]) for one in listed["tenants"]] == [
            ("acme", ["esx1"], 2),
            ("zeta", ["esx1"], 0),
        ]
        _, needed, _ = await served.ask("GET", "/v1/appliances/needed", role=Role.OPERATOR)
        assert [len(one["adapters"]) for one in needed["appliances"]] == [6, 6]
        _, one, _ = await served.ask("GET", "/v1/tenants/acme", role=Role.TENANT_OPERATOR, whose="acme")
        assert (one["tenant"]["id"], len(one["appliances"])) == ("acme", 1)
        assert sum("VLAN" in lease for lease in one["leases"]) == 5
