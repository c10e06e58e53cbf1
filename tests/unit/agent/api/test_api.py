"""The API in process: what each route answers, and that refusals change nothing."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from causeway_agent.api import application, handlers
from causeway_agent.api.peers import Peer
from causeway_agent.errors import Bug
from causeway_agent.plan.model.objects import ProxyNeighbour
from causeway_wire import codec
from causeway_wire.change import ChangeState, PlanReport
from causeway_wire.desired import Partial, Replica
from causeway_wire.observed import ApplianceState, Observed, Versions
from causeway_wire.problem import Problem, ProblemType
from causeway_wire.routes import ROUTES, Permission
from tests.agents import REPLICA, SECOND_REPLICA, SECRET_CONTENT, partial, provider, tenant
from tests.unit.agent.api.api_bench import FIRST, JSON, VERSIONS, Api, refused, serving, versions


def untouched(api: Api) -> tuple[object, ...]:
    """Everything a refusal must leave alone."""
    bench = api.bench
    return (
        dict(bench.kernel.objects),
        bench.firewall.policy,
        dict(bench.storage.files),
        bench.processes.running(),
    )


async def test_the_first_document_is_accepted_followed_and_in_force() -> None:
    async with serving() as api:
        answer = await api.put(tenant(1, failover=partial(REPLICA)))
        assert answer.status == 202
        assert answer.headers["Location"].startswith("/v1/changes/")
        final = await api.client.get(answer.headers["Location"] + "?wait=10s")
        assert json.loads(await final.read())["state"] == "done"
        observed = codec.decode(await (await api.client.get("/v1/observed")).read(), Observed)
        assert (observed.state, observed.observed_generation) == (ApplianceState.READY, 1)
        assert (observed.role, observed.failover) == ("tenant", "partial")
        assert {nic.name for nic in observed.nics} == {"management", "production"}


async def test_the_document_in_force_is_shown_with_secrets_masked() -> None:
    async with serving() as api:
        await refused(await api.client.get("/v1/desired"), ProblemType.NOT_CONFIGURED)
        await api.applied(tenant(1))
        answer = await api.client.get("/v1/desired")
        body = await answer.text()
        assert SECRET_CONTENT not in body
        assert json.loads(body)["role"]["tunnel"]["tls_crypt"] == "****"
        assert answer.headers["ETag"].startswith('"1-')
        again = await api.client.get("/v1/desired", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304


async def test_repeating_a_document_is_free_whatever_the_preconditions() -> None:
    async with serving() as api:
        first = await api.applied(tenant(1))
        for headers in (JSON, FIRST, {**JSON, "If-Match": '"9-0000000000000000"'}):
            before = untouched(api)
            again = await api.put(tenant(1), headers)
            assert again.status == 200
            assert json.loads(await again.read())["id"] == first.id
            assert untouched(api) == before


async def test_a_document_that_was_cancelled_is_refused_with_the_change_that_brought_it() -> None:
    async with serving() as api:
        wanted = tenant(2, failover=partial(REPLICA))
        answer = await api.client.put("/v1/desired?confirm=60", data=codec.encode(wanted), headers=FIRST)
        place = answer.headers["Location"]
        await api.client.get(f"{place}?wait=10s")
        assert (await api.client.post(f"{place}/cancel?epoch=1")).status == 200
        before = untouched(api)
        found = await refused(await api.put(wanted, FIRST), ProblemType.STALE_GENERATION)
        assert (found.pointer, found.generation) == ("/generation", 2)
        assert f"/v1/changes/{found.change}" == place
        assert untouched(api) == before
        assert (await api.applied(tenant(3, failover=partial(REPLICA)))).state is ChangeState.DONE


async def test_documents_that_may_not_be_tried_change_nothing() -> None:
    async with serving() as api:
        await api.applied(tenant(5, epoch=5))
        match = {**JSON, "If-Match": await api.etag()}
        before = untouched(api)
        for document, headers, kind in (
            (tenant(5, epoch=5, failover=partial(REPLICA)), match, ProblemType.GENERATION_CONFLICT),
            (tenant(4, epoch=5), match, ProblemType.STALE_GENERATION),
            (tenant(6, epoch=4), match, ProblemType.STALE_EPOCH),
            (tenant(6, epoch=5), JSON, ProblemType.PRECONDITION_REQUIRED),
            (tenant(6, epoch=5), FIRST, ProblemType.PRECONDITION_FAILED),
            (provider(6, epoch=5), match, ProblemType.WRONG_ROLE),
            (tenant(6, epoch=5, appliance="other"), match, ProblemType.WRONG_APPLIANCE),
        ):
            await refused(await api.put(document, headers), kind)
        assert untouched(api) == before


async def test_a_document_that_cannot_be_meant_names_every_member() -> None:
    async with serving() as api:
        before = untouched(api)
        answer = await api.put(tenant(1, failover=partial("10.0.0.1", "10.0.0.2")))
        found = await refused(answer, ProblemType.OUTSIDE_NETWORK)
        assert isinstance(found.errors, tuple)
        assert [e.pointer for e in found.errors] == [
            "/role/failover/replicas/0/addresses/0",
            "/role/failover/replicas/1/addresses/0",
        ]
        assert untouched(api) == before


@pytest.mark.parametrize(
    ("body", "kind", "pointer"),
    [
        (b"{", ProblemType.MALFORMED, None),
        (b"", ProblemType.MALFORMED, None),
        (b"\xff", ProblemType.MALFORMED, None),
        (b"[" * 100_000, ProblemType.INVALID, ""),
        (b"[]", ProblemType.INVALID, ""),
        (b'{"generation": 0}', ProblemType.INVALID, "/generation"),
        (b'{"surprise": 1}', ProblemType.INVALID, "/surprise"),
    ],
)
async def test_bodies_that_are_no_document_are_problems(
    body: bytes, kind: ProblemType, pointer: str | None
) -> None:
    async with serving() as api:
        before = untouched(api)
        for method, path in (("PUT", "/v1/desired"), ("POST", "/v1/plan")):
            found = await refused(await api.client.request(method, path, data=body, headers=FIRST), kind)
            if pointer is not None:
                assert found.pointer == pointer
        assert untouched(api) == before


async def test_too_large_and_other_media_types_are_problems() -> None:
    async with serving() as api:
        large = b" " * (application.BODY_BYTES + 1)
        await refused(
            await api.client.put("/v1/desired", data=io.BytesIO(large), headers=FIRST), ProblemType.TOO_LARGE
        )
        for content_type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json-patch+json",
        ):
            answer = await api.client.put("/v1/desired", data=b"{}", headers={"Content-Type": content_type})
            await refused(answer, ProblemType.UNSUPPORTED_MEDIA_TYPE)


async def test_unknown_paths_methods_and_ids_are_problems() -> None:
    async with serving() as api:
        for path in (
            "/",
            "/v2",
            "/v1/",
            "/v1/changes/",
            "/v1/changes/none",
            "/v1/changes/%2e%2e%2fetc",
            "/v1/changes/ä",
        ):
            await refused(await api.client.get(path), ProblemType.NOT_FOUND)
        for method in ("POST", "DELETE", "PATCH", "OPTIONS"):
            answer = await api.client.request(method, "/v1/desired")
            await refused(answer, ProblemType.METHOD_NOT_ALLOWED)
            assert answer.headers["Allow"] == "GET,HEAD,PUT"


async def test_head_answers_like_get_without_a_body() -> None:
    async with serving() as api:
        await api.applied(tenant(1))
        answer = await api.client.head("/v1/desired")
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["ETag"] == await api.etag()


@pytest.mark.parametrize("wait", ["", "x", "-1", "1.5", "61", "99999", "30 s", "1m"])
async def test_a_wait_that_is_none_is_a_problem(wait: str) -> None:
    async with serving() as api:
        answer = await api.client.get("/v1/changes/none", params={"wait": wait})
        await refused(answer, ProblemType.INVALID)


async def test_observers_may_look_and_try_but_not_apply() -> None:
    async with serving() as api:
        api.permission = Permission.OBSERVE
        before = untouched(api)
        await refused(await api.put(tenant(1)), ProblemType.FORBIDDEN)
        for method, path in (("POST", "/v1/identity/csr"), ("PUT", "/v1/identity/certificate")):
            await refused(await api.client.request(method, path, data=b"{}"), ProblemType.FORBIDDEN)
        answer = await api.client.post("/v1/plan", data=codec.encode(tenant(1)), headers=JSON)
        assert answer.status == 200
        assert untouched(api) == before


async def test_a_plan_is_told_in_words_and_changes_nothing_not_even_the_journal() -> None:
    async with serving() as api:
        before = untouched(api)
        body = codec.encode(tenant(1, failover=partial(REPLICA)))
        answer = await api.client.post("/v1/plan", data=body, headers=JSON)
        report = codec.decode(await answer.read(), PlanReport)
        assert any(str(REPLICA) in operation for operation in report.operations)
        assert untouched(api) == before
        assert api.bench.neighbours.probed == []
        assert api.engine.records.all() == ()


async def test_of_very_many_problems_the_first_are_told_and_how_many_more() -> None:
    nobody = Replica(vm="vm", network="net-9", addresses=(REPLICA,))
    document = provider(1, failover=Partial(replicas=(nobody,) * 2000))
    async with serving() as api:
        answer = await api.client.post("/v1/plan", data=codec.encode(document), headers=JSON)
        body = await answer.read()
        found = codec.decode(body, Problem)
    assert isinstance(found.errors, tuple)
    assert (answer.status, len(found.errors)) == (422, 100)
    assert found.more == 2000 + 2 * 1999 - 100, "a network each; the VM and its address again and again"
    assert len(body) < 100_000


async def test_an_address_in_use_is_named_and_nothing_is_claimed() -> None:
    async with serving() as api:
        await api.applied(tenant(1))
        api.bench.neighbours.taken[SECOND_REPLICA] = "02:00:00:00:00:99"
        objects = dict(api.bench.kernel.objects)
        change = await api.applied(
            tenant(2, failover=partial(REPLICA, SECOND_REPLICA)), {**JSON, "If-Match": await api.etag()}
        )
        assert change.state is ChangeState.REFUSED
        assert isinstance(change.problem, Problem)
        assert change.problem.type == ProblemType.ADDRESS_IN_USE.urn
        assert change.problem.pointer == "/role/failover/replicas/1/addresses/0"
        assert api.bench.kernel.objects == objects
        assert (await api.etag()).startswith('"1-')
        assert not any(isinstance(item, ProxyNeighbour) for item in objects.values())


async def test_while_a_change_runs_another_is_told_to_return() -> None:
    async with serving() as api:
        gate = asyncio.Event()
        load = api.bench.firewall.load

        async def slow(policy: object) -> None:
            await gate.wait()
            await load(policy)  # type: ignore[arg-type]

        api.bench.firewall.load = slow  # type: ignore[method-assign]
        first = await api.put(tenant(1, failover=partial(REPLICA)))
        try:
            found = await refused(await api.put(tenant(2)), ProblemType.CHANGE_IN_FLIGHT)
            assert f"/v1/changes/{found.change}" == first.headers["Location"]
            repeat = await api.put(tenant(1, failover=partial(REPLICA)))
            assert (repeat.status, repeat.headers["Location"]) == (202, first.headers["Location"])
            waiting = await api.client.get(first.headers["Location"], params={"wait": "0s"})
            assert json.loads(await waiting.read())["state"] in ("prepared", "applying")
        finally:
            gate.set()
        final = await api.client.get(first.headers["Location"], params={"wait": "10"})
        assert json.loads(await final.read())["state"] == "done"


async def test_versions_health_and_metrics_are_answered() -> None:
    async with serving() as api:
        assert codec.decode(await (await api.client.get("/v1")).read(), Versions) == VERSIONS
        assert (await api.client.get("/v1/health/live")).status == 200
        assert (await api.client.get("/v1/health/ready")).status == 200
        await api.applied(tenant(3, failover=partial(REPLICA)))
        text = await (await api.client.get("/v1/metrics")).text()
        assert "causeway_generation 3.0" in text
        assert 'causeway_changes{state="done"} 1.0' in text
        assert 'causeway_filter_packets_total{counter="drop_input"} 1.0' in text
        assert 'causeway_first_packets_total{outcome="admitted"} 2.0' in text
        assert 'causeway_tunnel_up{transport="none",tunnel="acme-0"} 0.0' in text


async def test_a_degraded_appliance_is_not_ready_and_says_why() -> None:
    async with serving() as api:
        await api.applied(tenant(1))
        api.bench.fuse.refuse_all = True
        api.bench.firewall.policy = None
        assert not await api.engine.reconciler.look()
        found = await refused(await api.client.get("/v1/health/ready"), ProblemType.UNAVAILABLE)
        assert "refused by the test" in found.detail


async def test_identity_requests_reach_the_key_store() -> None:
    async with serving() as api:
        request = {"key": "agent", "purpose": "agent", "common_name": "acme-tenant", "nonce": "n" * 22}
        answer = await api.client.post("/v1/identity/csr", json=request)
        assert json.loads(await answer.read()) == {"csr": "CSR", "proof": "PROOF"}
        certificate = {"certificate": "CERT", "controller_ca": "CA"}
        assert (await api.client.put("/v1/identity/certificate", json=certificate)).status == 204
        assert len(api.identity.installed) == 1


async def test_a_defect_is_an_incident_without_its_inside() -> None:
    async with serving() as api:

        async def broken() -> None:
            raise RuntimeError("secret inside")

        api.engine.observed = broken  # type: ignore[assignment,method-assign]
        answer = await api.client.get("/v1/observed")
        found = await refused(answer, ProblemType.INTERNAL)
        assert isinstance(found.incident, str)
        assert found.incident in found.detail
        assert b"secret inside" not in await answer.read()


async def test_routes_and_handlers_must_match_one_to_one() -> None:
    async with serving() as api:
        operations = dict(
            handlers.Handlers(engine=api.engine, identity=api.identity, versions=versions).operations()
        )
        peer = Peer("tests", Permission.APPLY)
        with pytest.raises(Bug):
            application.create(operations, resolver=lambda _: peer, routes=ROUTES[1:])
        del operations["live"]
        with pytest.raises(Bug):
            application.create(operations, resolver=lambda _: peer)
