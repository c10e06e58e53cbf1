"""Documents written to do harm, each with the problem it must be answered by, over real TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from causeway_agent.api.application import BODY_BYTES
from causeway_wire import codec
from causeway_wire.problem import MEDIA_TYPE, Problem
from causeway_wire.problem import ProblemType as P
from tests import agents, rules
from tests import hostile_documents as hostile
from tests.served import besieged
from tests.sieges import JSON, Siege

TABLE = rules.table(rules.rule("web", 443, public=hostile.PUBLIC, internal="192.168.7.20"))
MEANT = codec.encode(agents.provider(9, public=(hostile.PUBLIC,)))


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Any) -> Iterator[Siege]:
    with (
        besieged(tmp_path_factory.mktemp("siege"), unused_tcp_port_factory()) as agent,
        Siege(agent) as opened,
    ):
        opened.apply(agents.provider(1, public=(hostile.PUBLIC,)))
        yield opened


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Any) -> Iterator[Siege]:
    with (
        besieged(tmp_path_factory.mktemp("siege"), unused_tcp_port_factory()) as agent,
        Siege(agent) as opened,
    ):
        opened.apply(agents.tenant(1))
        yield opened


def refused(answer: requests.Response, kind: P, pointer: str | None = None) -> Problem:
    """The problem, of this kind in every respect; `pointer` may be that of any of several."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (kind.status, MEDIA_TYPE), answer.text
    found = codec.decode(answer.content, Problem)
    every = (found, *(found.errors if isinstance(found.errors, tuple) else ()))
    named = [(each.type, each.pointer if isinstance(each.pointer, str) else None) for each in every]
    assert (kind.urn, pointer) in named, named
    assert b"Traceback" not in answer.content
    return found


# Text that is no document at all

DEEP = b'{"nics":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
TEXTS: dict[str, tuple[bytes, P, str | None]] = {
    "nothing": (b"", P.MALFORMED, None),
    "a BOM": (b'\xef\xbb\xbf{"generation": 1}', P.MALFORMED, None),
    "UTF-16": ('{"generation": 1}'.encode("utf-16"), P.MALFORMED, None),
    "invalid UTF-8": (b'{"appliance": "\xff"}', P.MALFORMED, None),
    "half a surrogate pair": (b'{"appliance": "\\ud800"}', P.MALFORMED, None),
    "NaN": (b'{"generation": NaN}', P.MALFORMED, None),
    "Infinity": (b'{"generation": -Infinity}', P.MALFORMED, None),
    "deep nesting": (DEEP, P.INVALID, "/nics/0"),
    "two documents": (b"{} {}", P.INVALID, ""),
    "a comment": (b'{/* */"generation": 1}', P.MALFORMED, None),
    "a trailing comma": (b'{"generation": 1,}', P.MALFORMED, None),
    "single quotes": (b"{'generation': 1}", P.MALFORMED, None),
    "a number of 300,000 digits": (b'{"generation": ' + b"9" * 300_000 + b"}", P.INVALID, "/generation"),
    "digits of another script": ('{"generation": \u0661}'.encode(), P.MALFORMED, None),
    "a leading zero": (b'{"generation": 01}', P.MALFORMED, None),
    "a fraction": (b'{"generation": 1.5}', P.INVALID, "/generation"),
    "an exponent": (b'{"generation": 1e400}', P.INVALID, "/generation"),
    "beyond 2^53": (b'{"generation": 9007199254740993}', P.INVALID, "/generation"),
    "a number as text": (b'{"generation": "1"}', P.INVALID, "/generation"),
    "an array": (b"[]", P.INVALID, ""),
    "null": (b"null", P.INVALID, ""),
    "an unknown member": (b'{"surprise": 1}', P.INVALID, "/surprise"),
    "a member with a slash": (b'{"a/b~c": 1}', P.INVALID, "/a~1b~0c"),
    "NUL in a name": (b'{"appliance": "a\\u0000"}', P.INVALID, "/appliance"),
    "a line feed behind a name": (b'{"appliance": "a\\n"}', P.INVALID, "/appliance"),
    "a very long name": (b'{"appliance": "' + b"a" * 1_000_000 + b'"}', P.INVALID, "/appliance"),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("path", ["/v1/desired", "/v1/plan"])
def test_text_that_is_no_document(siege: Siege, name: str, path: str) -> None:
    text, kind, pointer = TEXTS[name]
    method = "PUT" if path == "/v1/desired" else "POST"
    refused(siege.raw(method, path, text), kind, pointer)


def test_a_body_that_is_missing_or_ends_in_an_escape_is_refused_in_words(siege: Siege) -> None:
    assert "it is empty" in refused(siege.raw("PUT", "/v1/desired", b""), P.MALFORMED).detail
    text = TEXTS["half a surrogate pair"][0]
    assert "(byte 15)" in refused(siege.raw("PUT", "/v1/desired", text), P.MALFORMED).detail


def test_a_member_named_twice_is_refused_wherever_it_is(siege: Siege) -> None:
    text = json.dumps(json.loads(MEANT))
    for once, twice, pointer in (
        ('"generation": 9', '"generation": 9, "generation": 9', "/generation"),
        ('"epoch": 1', '"epoch": 7, "epoch": 1', "/epoch"),
        ('"tenant": "acme"', '"tenant": "x", "tenant": "acme"', "/role/tenant"),
        ('"nic": "management"', '"nic": "x", "nic": "management"', "/management/nic"),
    ):
        assert once in text
        answer = siege.raw("PUT", "/v1/desired", text.replace(once, twice, 1).encode())
        refused(answer, P.MALFORMED, pointer)


def test_a_body_of_one_octet_too_many(siege: Siege) -> None:
    for length, kind in ((BODY_BYTES, P.MALFORMED), (BODY_BYTES + 1, P.TOO_LARGE)):
        refused(siege.raw("PUT", "/v1/desired", b" " * length), kind)


@pytest.mark.parametrize(
    "sent",
    ["", "text/plain", "application/json-patch+json", "application/problem+json", "multipart/form-data", "x"],
)
def test_another_content_type(siege: Siege, sent: str) -> None:
    answer = siege.raw("PUT", "/v1/desired", b"{}", {"Content-Type": sent})
    refused(answer, P.UNSUPPORTED_MEDIA_TYPE)


@pytest.mark.parametrize(
    "query",
    [
        *(
            "confrm=60",
            "confirm=",
            "confirm=0",
            "confirm=-1",
            "confirm=3601",
            "confirm=1e3",
            "confirm=%D9%A1",
        ),
        *(
            "confirm=60&confirm=1",
            "escalate=yes",
            "escalate=1",
            "escalate=TRUE",
            "escalate=true%00",
            "wait=1",
        ),
        *("Confirm=60", "confirm=60%0A", "%F0%9F", "confirm=60;escalate=true"),
    ],
)
def test_parameters_that_are_none(siege: Siege, query: str) -> None:
    refused(siege.raw("PUT", f"/v1/desired?{query}", MEANT), P.INVALID)


@pytest.mark.parametrize("path", ["/v1", "/v1/observed", "/v1/metrics", "/v1/health/live"])
def test_parameters_where_there_are_none(siege: Siege, path: str) -> None:
    refused(siege.raw("GET", f"{path}?surprise=1", b""), P.INVALID)


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "/v2", "/v1//desired", "/v1/../etc", "/v1/desired%00", "/local/explain"]
)
def test_places_that_are_none(siege: Siege, path: str) -> None:
    refused(siege.raw("GET", path, b""), P.NOT_FOUND)


@pytest.mark.parametrize(
    "tag", ["", "*, *x", '"', '""', "W/*", "nonsense", '"9-0000000000000000"', "x" * 5000, '"a", "b"']
)
def test_preconditions_that_match_nothing(siege: Siege, tag: str) -> None:
    answer = siege.raw("PUT", "/v1/desired", MEANT, {"If-Match": tag, "Content-Type": JSON})
    refused(answer, P.PRECONDITION_FAILED)


@pytest.mark.parametrize("name", hostile.PROVIDER)
def test_a_providers_document_that_cannot_be_meant(siege: Siege, name: str) -> None:
    case = hostile.PROVIDER[name]
    siege.refused_everywhere(
        case.wound(agents.provider(9, public=(hostile.PUBLIC,))), case.kind, case.pointer
    )


@pytest.mark.parametrize("name", hostile.REPLICAS)
def test_replicas_that_cannot_be_meant(siege: Siege, tenants: Siege, name: str) -> None:
    case, vm = hostile.REPLICAS[name], agents.partial("192.168.7.20")
    for at, document in (
        (siege, agents.provider(9, failover=vm)),
        (tenants, agents.tenant(9, failover=vm)),
    ):
        at.refused_everywhere(case.wound(document), case.kind, case.pointer)


@pytest.mark.parametrize("name", hostile.TENANT)
def test_a_tenants_document_that_cannot_be_meant(tenants: Siege, name: str) -> None:
    case = hostile.TENANT[name]
    tenants.refused_everywhere(case.wound(agents.tenant(9)), case.kind, case.pointer)


def test_a_failed_over_vm_is_no_cloud_gateway(tenants: Siege) -> None:
    document = hostile.Case("", hostile.REMOTE, "192.168.7.20").wound(
        agents.tenant(9, failover=agents.partial("192.168.7.20"))
    )
    tenants.refused_everywhere(document, P.DUPLICATE, hostile.REMOTE)


def test_a_meant_document_of_another_role_is_refused(siege: Siege, tenants: Siege) -> None:
    for at, document in ((siege, agents.tenant(9)), (tenants, agents.provider(9))):
        refused(at.raw("PUT", "/v1/desired", codec.encode(document)), P.WRONG_ROLE, "/role/kind")


@pytest.mark.parametrize("name", hostile.RULES)
def test_public_rules_that_cannot_be_meant(siege: Siege, name: str) -> None:
    case, before = hostile.RULES[name], siege.agent.state()
    answer = siege.raw("PUT", "/v1/public-rules", json.dumps(case.wound(TABLE)).encode())
    refused(answer, case.kind, case.pointer)
    assert siege.agent.state() == before


DESCRIPTIONS = ('"; drop }', "accept # x", "\u00c4pfel & 100 %", "${HOME} `id` $(id)")


def test_descriptions_are_text_and_nothing_else(tmp_path: Path, unused_tcp_port: int) -> None:
    with besieged(tmp_path, unused_tcp_port) as agent, Siege(agent) as siege:
        siege.apply(agents.provider(1, public=(hostile.PUBLIC,)))
        for revision, said in enumerate(DESCRIPTIONS, 1):
            table = hostile.Case("", hostile.RULE, {"description": said}).wound(TABLE)
            text = json.dumps(table | {"revision": revision}).encode()
            assert siege.raw("PUT", "/v1/public-rules", text).status_code == 200
            assert siege.raw("GET", "/v1/public-rules", b"").json()["rules"][0]["description"] == said


def test_what_overlaps_everything_names_each(siege: Siege) -> None:
    whole = json.loads(codec.encode(agents.provider(9, public=(hostile.PUBLIC,))))
    whole["role"]["networks"] *= 12
    found = siege.refused_everywhere(whole, P.DUPLICATE, "/role/networks/11/id")
    assert isinstance(found.errors, tuple)
    assert sum(each.type == P.OVERLAP.urn for each in found.errors) == 11


def test_of_what_overlaps_everywhere_a_hundred_are_named_and_the_others_counted(siege: Siege) -> None:
    whole = json.loads(codec.encode(agents.provider(9, public=(hostile.PUBLIC,))))
    whole["role"]["networks"] *= 128
    found = siege.refused_everywhere(whole, P.DUPLICATE, "/role/networks/100/id")
    assert isinstance(found.errors, tuple)
    assert len(found.errors) == 100
    assert isinstance(found.more, int)
    assert found.more >= 27 + 127, "the other names, and every overlap"
