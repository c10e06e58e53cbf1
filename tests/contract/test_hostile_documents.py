"""Whatever is sent, over real TLS to the agent's real application: documented answers, and no partial change.

Requests are drawn from the published description, and documents that are meant are damaged at random places.
`make fuzz` draws twenty times as many.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st

from causeway_wire import codec
from causeway_wire.desired import Failover, Full, FullNetwork, Idle, Rehearsal
from causeway_wire.problem import MEDIA_TYPE
from causeway_wire.routes import ROUTES
from tests import agents, hostile, rules
from tests.described import CHECKS, MORE, drawn, operations
from tests.served import besieged
from tests.sieges import JSON, Siege

OPERATIONS = operations("openapi.json")
REFUSED, INTERNAL, UNAVAILABLE = 400, 500, 503

pytestmark = pytest.mark.timeout(60 + 60 * MORE)


def called(siege: Siege, case: schemathesis.Case[Any]) -> int:
    """The status of the answer, which must be a documented one; a refusal must have changed nothing."""
    before = siege.agent.state()
    answer = case.call(
        base_url=siege.agent.url,
        session=siege.session,
        verify=siege.session.verify,
        cert=siege.session.cert,
        timeout=10,
    )
    case.validate_response(answer, checks=CHECKS)
    assert answer.status_code < INTERNAL or answer.status_code == UNAVAILABLE, answer.text
    if answer.status_code >= REFUSED:
        assert siege.agent.state() == before
        details = json.loads(answer.content)
        assert details["status"] == answer.status_code
        for each in (details, *details.get("errors", ())):
            pointer = each.get("pointer", "")
            assert hostile.leads_somewhere(pointer, _sent(answer.request.body)), (pointer, each)
    return answer.status_code


def sent(siege: Siege, operation: str, document: Any, **query: str) -> int:
    """The status of the answer to this document, checked as above."""
    headers = {"If-Match": "*"}
    case = OPERATIONS[operation].Case(body=document, query=query, headers=headers, media_type=JSON)
    return called(siege, case)


def _sent(body: Any) -> Any:
    """The document as its receiver read it; nothing where it was none."""
    try:
        return json.loads(body or b"null")
    except ValueError:
        return None


PUBLIC = "198.51.100.10"
MODES: tuple[Failover, ...] = (
    Idle(),
    agents.partial(agents.REPLICA),
    Full(networks=(FullNetwork(network="net-0"),)),
    Rehearsal(networks=(FullNetwork(network="net-0"),)),
)
DOCUMENTS = st.sampled_from(
    [json.loads(codec.encode(agents.provider(failover=mode, public=(PUBLIC,)))) for mode in MODES]
)
TENANTS = st.sampled_from(
    [
        json.loads(codec.encode(agents.tenant(failover=mode)))
        for mode in (Idle(), agents.partial(agents.REPLICA))
    ]
)
RULE = rules.rule("web", 443, public=PUBLIC, internal="192.168.7.20", sources=("192.0.2.0/24",))
RANGE = rules.rule("range", 5000, public=PUBLIC, internal="192.168.7.20", last=5009)
TABLE = json.loads(codec.encode(rules.table(RULE, RANGE)))
PATCH = json.loads(codec.encode(rules.patch(RULE, RANGE, remove=("gone",))))


@pytest.fixture
def siege(tmp_path: Path, unused_tcp_port: int) -> Iterator[Siege]:
    with besieged(tmp_path, unused_tcp_port) as agent, Siege(agent) as opened:
        yield opened


@pytest.mark.parametrize("label", OPERATIONS)
def test_any_request_gets_a_documented_answer_and_a_refused_one_changes_nothing(
    siege: Siege, label: str
) -> None:
    siege.apply(agents.provider(public=(PUBLIC,)))
    operation = OPERATIONS[label]
    modes = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

    @drawn(max_examples=12 * MORE)
    @given(case=st.one_of(modes))
    def answered(case: schemathesis.Case[Any]) -> None:
        called(siege, case)

    answered()


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "PATCH", "POST", "PUT", "PROPFIND"])
@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_methods_that_a_resource_has_not_are_refused_by_name(shared: Siege, path: str, method: str) -> None:
    known = {route.method for route in ROUTES if route.path == path}
    if method in known:
        return
    answer = shared.session.request(method, shared.agent.url + path.replace("{id}", "1"), timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (405, MEDIA_TYPE)
    assert known <= set(answer.headers["Allow"].split(","))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Any) -> Iterator[Siege]:
    with (
        besieged(tmp_path_factory.mktemp("siege"), unused_tcp_port_factory()) as agent,
        Siege(agent) as opened,
    ):
        opened.apply(agents.provider(public=(PUBLIC,)))
        yield opened


def test_damaged_documents_are_refused_whole_or_applied_whole(siege: Siege) -> None:
    siege.apply(agents.provider(public=(PUBLIC,)))
    seen = Counter[int]()

    @drawn(max_examples=400 * MORE)
    @given(document=hostile.damaged(DOCUMENTS))
    def judged(document: Any) -> None:
        if document.get("generation") == 1:
            document["generation"] = siege.generation
        planned = sent(siege, "POST /v1/plan", document)
        done = sent(siege, "PUT /v1/desired", document, escalate="true")
        seen[done] += 1
        assert (planned == 200) >= (done in {200, 202}), "what is put in force could be planned"
        if done in {200, 202}:
            assert siege.settled() in {"done", "refused"}

    judged()
    assert min(seen[202], seen[422]) > 0, seen
    assert siege.agent.run(siege.agent.door.engine.reconciler.look())


def test_damaged_documents_of_a_tenant_appliance_are_refused_whole(siege: Siege) -> None:
    siege.apply(agents.tenant())

    @drawn(max_examples=50 * MORE)
    @given(document=hostile.damaged(TENANTS))
    def judged(document: Any) -> None:
        sent(siege, "POST /v1/plan", document)

    judged()


@pytest.mark.parametrize("label", ["PUT /v1/public-rules", "PATCH /v1/public-rules"])
def test_damaged_tables_are_refused_whole_or_in_force_whole(siege: Siege, label: str) -> None:
    siege.apply(agents.provider(public=(PUBLIC,)))
    whole = TABLE if label.startswith("PUT") else PATCH

    @drawn(max_examples=60 * MORE)
    @given(document=hostile.damaged(st.just(whole)))
    def judged(document: Any) -> None:
        revision = siege.agent.door.engine.rules.revision
        for member, wounded in (("base", revision), ("revision", revision + 1)):
            if document.get(member) == whole.get(member) is not None:
                document[member] = wounded
        if sent(siege, label, document) == 200 and document.get("revision") != revision:
            held = siege.session.get(siege.agent.url + "/v1/public-rules", timeout=10).json()
            assert held["revision"] == document["revision"]

    judged()
