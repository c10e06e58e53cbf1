"""What a provider serves to a tenant's controller: its own, all of it, and nothing of anybody else's."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.halves import HalfOrder
from causeway_controller.contract.requests import FailOver, FailOverSite
from causeway_controller.contract.routes import Route
from causeway_controller.contract.tenant import Starter
from causeway_controller.contract.tenant_routes import TENANT_ROUTES
from causeway_controller.inventory import tenant_view
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.store.inventories import Inventories
from causeway_controller.trust import tls_files
from causeway_wire import codec
from tests.controller_api import two_tenants
from tests.provider_inventory import seed_example, tenant, with_
from tests.two_sites import NAME, Tenant, World, two_sites

pytestmark = pytest.mark.timeout(300)
KEY = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
HALF_OF_ACME = "their-run"
ACME = codec.encode(FailOver(tenant="acme", vms=frozenset({"db1"})))


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


class Asking:
    """A client with a tenant's certificate, or with none."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(
        self, method: str, path: str, *, data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        async with self._session.request(
            method, self._url + path, data=data, headers=headers or {}
        ) as response:
            text = await response.read()
            return response.status, json.loads(text) if text else None


@asynccontextmanager
async def asking(world: World, known: Tenant | None) -> AsyncIterator[Asking]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if known is not None:
        link = known.link()
        assert link.certificate is not None
        tls_files.load(context, link.certificate, link.key)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Asking(session, f"https://127.0.0.1:{world.line.own}")


def place(route: Route, run: str) -> str:
    names = {"host": "esx1", "run": run, "half": HALF_OF_ACME, "network": "nowhere"}
    return re.sub(r"{(\w+)}", lambda match: names[match[1]], route.path)


async def test_every_route_as_another_tenant_and_as_nobody(world: World) -> None:
    async with world.tenant() as acme, world.tenant("zeta") as zeta:
        await acme.join(world.invited())
        await zeta.join(world.invited("zeta"))
        async with asking(world, acme) as own, asking(world, zeta) as other, asking(world, None) as nobody:
            status, run = await own.ask("POST", "/v1/hosts/esx1/runs", data=ACME, headers=KEY)
            assert status == 201
            half = f"/v1/halves/{HALF_OF_ACME}"
            order = codec.encode(HalfOrder(epoch=1))
            assert (await own.ask("PUT", half, data=order, headers=KEY))[0] == 200
            assert (await other.ask("GET", half))[0] == 404
            for route in TENANT_ROUTES:
                if route in {tenant_routes.JOIN, tenant_routes.LEAVE}:
                    continue
                body = {tenant_routes.START_RUN: ACME, tenant_routes.RENEW: b"{}"}.get(route)
                body = order if route is tenant_routes.ORDER_HALF else body
                body = b"{}" if route is tenant_routes.TUNNEL else body
                theirs, told = await other.ask(
                    route.method, place(route, run["id"]), data=body, headers=KEY if body else None
                )
                if route is not tenant_routes.START_RUN:  # it repeats the name that was sent to it
                    assert "acme" not in json.dumps(told), route.name
                assert theirs < 500
                if "{run}" in route.path:
                    gone, words = await other.ask(route.method, place(route, "r-gone"))
                    assert (theirs, gone) == (404, 404)
                    assert words["detail"].replace("r-gone", run["id"]) == told["detail"]
                refused, _ = await nobody.ask(route.method, place(route, run["id"]), data=body, headers=KEY)
                assert refused in {401, 429}, route.name
            assert (await nobody.ask("DELETE", "/v1/membership"))[0] in {401, 429}
            assert (await own.ask("GET", f"/v1/runs/{run['id']}"))[0] == 200
            status, _ = await own.ask("GET", "/v1/inventory")
            assert status == 404, "what staff are served is not here"
            assert not world.runs.stopped
    assert sorted(world.members()) == ["acme", "zeta"]


async def test_head_is_answered_wherever_get_is_and_to_nobody_unknown(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        async with asking(world, acme) as own, asking(world, None) as nobody:
            for route in (each for each in TENANT_ROUTES if each.method == "GET"):
                path = place(route, "r-gone")
                got, _ = await own.ask("GET", path)
                assert await own.ask("HEAD", path) == (got, None), route.name
                assert (await nobody.ask("HEAD", path))[0] in {401, 429}, route.name


async def test_a_tenant_sees_all_of_its_own_and_no_vlan(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        found = codec.encode(await acme.providers.resources(NAME)).decode()
    told = json.loads(found)
    assert told["tenant"] == "acme"
    assert [one["id"] for one in told["networks"]] == [one.id for one in tenant().networks]
    assert {one["vm"] for one in told["replicas"]} == {vm.name for vm in tenant().vms if vm.replica}
    assert told["gateways"]["port"] == 6180
    stored = Inventories(world.database, now=world.clock).load()
    for lease in stored.allocation.vlans:
        assert lease.switch not in found
        assert lease.vlan not in numbers(told)
    assert not any(str(given.mac) in found for given in stored.allocation.macs)
    assert "vm_id" not in found


def numbers(value: Any) -> set[int]:
    """All numbers in a document."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return {number for each in inner for number in numbers(each)}
    return {value} if isinstance(value, int) else set()


async def test_resources_are_told_once_they_differ(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        async with asking(world, acme) as own:
            _, first = await own.ask("GET", "/v1/resources")
            waiting = asyncio.create_task(own.ask("GET", f"/v1/resources?wait=25&after={first['version']}"))
            await asyncio.sleep(1.5)
            assert not waiting.done()
            await own.ask("POST", "/v1/hosts/esx1/runs", data=ACME, headers=KEY)
            status, second = await waiting
            assert (status, len(second["resources"]["open_runs"])) == (200, 1)
            began = time.monotonic()
            same = await own.ask("GET", f"/v1/resources?wait=1&after={second['version']}")
            assert same == (200, second)
            assert time.monotonic() - began >= 1
            assert (await own.ask("GET", "/v1/resources?wait=26"))[0] == 400


async def test_who_waits_is_out_when_expelled(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        async with asking(world, acme) as own:
            _, first = await own.ask("GET", "/v1/resources")
            waiting = asyncio.create_task(own.ask("GET", f"/v1/resources?wait=25&after={first['version']}"))
            await asyncio.sleep(0.5)
            world.peering.members.end("acme", action="member.expel", actor="anna")
            assert (await waiting)[0] == 401


async def test_a_run_is_started_once_and_never_without_a_key(world: World) -> None:
    plain = {"Content-Type": "application/json"}
    async with world.tenant() as acme:
        await acme.join(world.invited())
        async with asking(world, acme) as own:
            assert (await own.ask("POST", "/v1/hosts/esx1/runs", data=ACME, headers=plain))[0] == 400
            dry = await own.ask("POST", "/v1/hosts/esx1/runs?dry_run=true", data=ACME, headers=plain)
            assert dry[0] == 200
            answers = [await own.ask("POST", "/v1/hosts/esx1/runs", data=ACME, headers=KEY) for _ in range(2)]
            assert answers[0] == answers[1]
            assert answers[0][1]["actor"] == "controller of acme"
            _, listed = await own.ask("GET", "/v1/runs")
            assert [one["id"] for one in listed["runs"]] == [answers[0][1]["id"]]


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_full_failover_is_started_as_policy_allows(world: World, *, allowed: bool) -> None:
    who = (Starter.TENANT, Starter.PROVIDER) if allowed else (Starter.PROVIDER,)
    changed = with_(two_tenants(), tenants=(with_(tenant(), full_failover_by=who),))
    Inventories(world.database, now=world.clock).replace(changed, expected=1, actor="anna")
    full = codec.encode(FailOverSite(tenant="acme", vms=frozenset({"db1"})))
    async with world.tenant() as acme:
        await acme.join(world.invited())
        async with asking(world, acme) as own:
            status, _ = await own.ask("POST", "/v1/hosts/esx1/runs", data=full, headers=KEY)
            assert status == (201 if allowed else 403)


def test_resources_of_one_tenant_are_the_same_beside_others() -> None:
    alone, beside = seed_example(), two_tenants()
    told = [
        tenant_view.resources(each, Allocation(), "acme", open_runs=(), standing={})
        for each in (alone, beside)
    ]
    assert told[0] == told[1]
    assert "zeta" not in codec.encode(told[1]).decode()
