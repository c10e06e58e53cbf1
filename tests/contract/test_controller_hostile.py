"""Whatever is sent to the controller's API: documented answers, no defect, and a refusal changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st

from causeway_controller.inventory import certificates
from causeway_controller.store import authorities
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.run_reports import RunsTold
from causeway_controller.store.runs import Run
from causeway_controller.store.tokens import Tokens
from causeway_controller.trust import pki
from causeway_wire import codec
from tests import hostile
from tests.certificates import signed
from tests.controller_socket import AtSocket, at_socket
from tests.described import CHECKS, MORE, drawn, operations
from tests.provider_inventory import seed_example

OPERATIONS = operations("controller-openapi.json")
REFUSED, DEFECT = 400, 500
THERE = {
    "tenant": "acme",
    "gateway": "gw1",
    "host": "esx1",
    "run": "r1",
    "token": "0" * 12,
    "invitation": "0" * 12,
    "provider": "north",
    "vm": "db1",
}
"""Names in paths that lead somewhere, with a certificate's `serial`; drawn ones rarely do."""

pytestmark = pytest.mark.timeout(120 + 60 * MORE)


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        inventories = Inventories(found.database, now=found.now)
        inventories.replace(seed_example(), expected=0, actor="test")
        run = Run(id="r1", tenant="acme", host="esx1", request="{}", actor="test", at=found.now())
        found.runs.runs.start(run)
        client, key = certificates.of_client("acme", "t1", "acme-lan-tenant"), pki.make_key().public_key()
        vpn, usage = authorities.vpn("acme"), pki.Usage.CLIENT
        serial = signed(found.database, vpn, client, key=key, usage=usage, now=found.now)
        monkeypatch.setitem(THERE, "serial", serial)
        yield found


def state(controller: AtSocket) -> tuple[object, ...]:
    """What a refused request must not change."""
    tokens = Tokens(database=controller.database, now=controller.now, random=bytes)
    runs = RunsTold(controller.database).list(tenant=None, cursor=None, limit=1000)
    revision = Inventories(controller.database, now=controller.now).load().revision
    revoked = Ledger(controller.database, now=controller.now).revocations()
    return revision, tokens.list(), [run.id for run in runs.runs], revoked


def called(controller: AtSocket, case: schemathesis.Case[Any]) -> int:
    """The status of the answer, which must be a documented one."""
    before = state(controller)
    known = {"Authorization": f"Bearer {controller.secret}"}
    answer = case.call(base_url=controller.url, headers=known, timeout=30)
    case.validate_response(answer, checks=CHECKS)
    assert answer.status_code < DEFECT, answer.text
    if answer.status_code >= REFUSED:
        assert state(controller) == before
        details = json.loads(answer.content)
        assert details["status"] == answer.status_code
        for each in (details, *details.get("errors", ())):
            pointer = each.get("pointer", "")
            assert hostile.leads_somewhere(pointer, _sent(answer.request.body)), (pointer, each)
    return answer.status_code


def _sent(body: Any) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return None


@pytest.mark.parametrize("label", OPERATIONS)
def test_any_request_gets_a_documented_answer_and_a_refused_one_changes_nothing(
    controller: AtSocket, label: str
) -> None:
    operation = OPERATIONS[label]
    modes = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

    @drawn(max_examples=12 * MORE)
    @given(case=st.one_of(modes), known=st.booleans())
    def answered(case: schemathesis.Case[Any], known: bool) -> None:  # noqa: FBT001 - hypothesis names it
        if known and case.path_parameters:
            case.path_parameters = {name: THERE[name] for name in case.path_parameters}
        called(controller, case)

    answered()


DAMAGED = hostile.damaged(st.just(json.loads(codec.encode(seed_example()))))


def test_an_inventory_damaged_anywhere_is_refused_by_name_or_taken(controller: AtSocket) -> None:
    operation = OPERATIONS["PUT /v1/inventory"]

    @drawn(max_examples=60 * MORE)
    @given(document=DAMAGED)
    def answered(document: Any) -> None:
        case = operation.Case(body=document, headers={"If-Match": "*"}, media_type="application/json")
        called(controller, case)

    answered()
