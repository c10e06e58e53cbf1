"""The codec: documents survive the way to bytes and back, and a mistake is named by its pointer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causeway_wire import codec
from causeway_wire.desired import Desired, GatewayRole, GatewayTenant, ProviderRole, TenantRole
from causeway_wire.observed import Health
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Secret, Timestamp
from tests import strategies

TENANT: dict[str, Any] = {
    "appliance": "acme-app",
    "generation": 7,
    "epoch": 1,
    "management": {"nic": "lan", "address": "192.0.2.10", "sources": ["198.51.100.0/24"]},
    "nics": [{"name": "lan", "mac": "02:00:00:00:00:01", "addresses": ["192.0.2.10/24", "2001:db8::10/64"]}],
    "role": {
        "kind": "tenant",
        "tenant": "acme",
        "network": {"id": "lan", "nic": "lan", "prefixes": ["192.0.2.0/24"], "gateways": ["192.0.2.1"]},
        "failover": {
            "mode": "partial",
            "replicas": [{"vm": "db", "network": "lan", "addresses": ["192.0.2.50", "2001:db8::50"]}],
        },
    },
}


def edited(*path: str | int, value: object) -> bytes:
    """The sample document with one member replaced or added."""
    document = json.loads(json.dumps(TENANT))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document).encode()


def refusal(data: bytes) -> tuple[str, object]:
    """Problem URN and pointer of the refusal this text meets."""
    with pytest.raises(ProblemError) as caught:
        codec.decode(data, Desired)
    return caught.value.problem.type, caught.value.problem.pointer


@given(strategies.DOCUMENTS)
def test_a_document_survives_the_way_to_bytes_and_back(document: Desired) -> None:
    assert codec.decode(codec.encode(document), Desired) == document


@given(strategies.DOCUMENTS)
def test_encoding_is_canonical(document: Desired) -> None:
    text = codec.encode(document)
    assert codec.encode(codec.decode(text, Desired)) == text
    assert codec.digest(document) == codec.digest(codec.decode(text, Desired))


@given(strategies.DOCUMENTS, st.integers(1, 2**53 - 1))
def test_documents_that_differ_have_different_digests(document: Desired, generation: int) -> None:
    other = codec.decode(
        json.dumps({**json.loads(codec.encode(document)), "generation": generation}).encode(), Desired
    )
    assert (codec.digest(document) == codec.digest(other)) == (document == other)


def test_the_order_and_spacing_of_members_do_not_change_the_digest() -> None:
    turned = json.dumps(dict(reversed(TENANT.items())), indent=3).encode()
    straight = json.dumps(TENANT).encode()
    assert codec.digest(codec.decode(turned, Desired)) == codec.digest(codec.decode(straight, Desired))


def test_a_digest_stays_the_same_from_release_to_release() -> None:
    document = codec.decode(json.dumps(TENANT).encode(), Desired)
    assert codec.digest(document) == "7a28dce9ddeb20a08242954714f767d44778abf32950c1ef1b4fce69a3284f5b"


@given(strategies.DOCUMENTS)
def test_masked_text_holds_no_secret(document: Desired) -> None:
    shown = codec.decode(codec.encode_masked(document), Desired)
    assert revealed(shown) == ["****"] * len(revealed(document))


@given(strategies.SECRETS, strategies.NAMES)
def test_no_printed_form_holds_a_secret(secret: Secret, name: str) -> None:
    tenant = GatewayTenant(id=name, tls_crypt=secret, ca="")
    shown = json.loads(codec.encode_masked(tenant))
    assert shown == {"id": name, "tls_crypt": "****", "ca": ""}
    assert repr(tenant) == str(tenant) == f"GatewayTenant(id={name!r}, tls_crypt=Secret(****), ca='')"


def revealed(document: Desired) -> list[str]:
    """Every secret of a document, in the clear."""
    match document.role:
        case ProviderRole(networks=networks):
            return [network.tunnel.tls_crypt.reveal() for network in networks if network.tunnel]
        case TenantRole(tunnel=tunnel):
            return [tunnel.tls_crypt.reveal()] if tunnel else []
        case GatewayRole(tenants=tenants):
            return [tenant.tls_crypt.reveal() for tenant in tenants]


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"nonsense", b'{"appliance" 1}'])
def test_what_is_not_json_is_malformed(text: bytes) -> None:
    assert refusal(text) == (ProblemType.MALFORMED.urn, msgspec.UNSET)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "it is empty where a JSON document is expected"),
        (b" \n", "it is empty where a JSON document is expected"),
        (b'{"a": 1', "JSON is malformed: the text ends too early (byte 7)"),
        (
            b'{"a": "\\ud800"}',
            "JSON is malformed: the escape is half of one, or the text ends behind it (byte 7)",
        ),
        (
            b'{"a": "\\u1"}',
            "JSON is malformed: the escape is half of one, or the text ends behind it (byte 7)",
        ),
        (b'{"a": "\xff"}', "JSON is malformed: this is not UTF-8 (byte 7)"),
        (b'{"a" 1}', "JSON is malformed: expected ':' (byte 5)"),
        (b"[" * 100_000, "JSON is malformed: it is nested too deeply"),
    ],
)
def test_what_is_malformed_is_said_in_words_with_the_place(text: bytes, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(text, dict if text[:1] != b"[" else list)
    assert (caught.value.problem.type, caught.value.problem.detail) == (ProblemType.MALFORMED.urn, words)


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (("surprise",), 1, "/surprise"),
        (("management", "surprise"), 1, "/management/surprise"),
        (("nics", 0, "surprise"), 1, "/nics/0/surprise"),
        (("role", "network", "a/b~c"), 1, "/role/network/a~1b~0c"),
        (("nics", 0, "addresses", 1), "not an address", "/nics/0/addresses/1"),
        (("nics", 0, "addresses", 1), 7, "/nics/0/addresses/1"),
        (("nics", 0, "mac"), "02-00-00-00-00-01", "/nics/0/mac"),
        (("nics", 0, "mac"), "02:00:00:00:00:01\n", "/nics/0/mac"),
        (("nics", 0, "mtu"), 1279, "/nics/0/mtu"),
        (("generation",), 0, "/generation"),
        (("generation",), 2**53, "/generation"),
        (("generation",), True, "/generation"),
        (("appliance",), "Upper", "/appliance"),
        (("appliance",), "", "/appliance"),
        (("role", "kind"), "king", "/role/kind"),
        (("role", "failover", "mode"), "both", "/role/failover/mode"),
        (("role", "failover", "replicas", 0, "addresses"), None, "/role/failover/replicas/0/addresses"),
        (("role", "network", "prefixes", 0), "192.0.2.1/24", "/role/network/prefixes/0"),
        (("management", "port"), 65536, "/management/port"),
    ],
)
def test_a_mistake_is_named_by_its_pointer(path: tuple[str | int, ...], value: object, pointer: str) -> None:
    assert refusal(edited(*path, value=value)) == (ProblemType.INVALID.urn, pointer)


def test_a_missing_member_is_named_by_the_object_that_lacks_it() -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(edited("nics", value=[{"name": "lan"}]), Desired)
    assert caught.value.problem.pointer == "/nics/0"
    assert "`mac`" in caught.value.problem.detail


def test_a_mistake_inside_a_map_is_named_without_its_key() -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(b'{"a": {"b": "text"}}', dict[str, dict[str, int]])
    assert caught.value.problem.pointer == "/*/*"


def test_two_failover_modes_at_once_cannot_be_written() -> None:
    both = {"mode": "idle", "replicas": []}
    assert refusal(edited("role", "failover", value=both)) == (
        ProblemType.INVALID.urn,
        "/role/failover/replicas",
    )


def test_readers_of_answers_tolerate_unknown_members() -> None:
    answer = b'{"healthy": false, "reason": "starting", "added_later": [1]}'
    assert codec.decode(answer, Health) == Health(healthy=False, reason="starting")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_lacks_are_malformed(number: bytes) -> None:
    assert refusal(b'{"generation": ' + number + b"}")[0] == ProblemType.MALFORMED.urn


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (b'{"a": 1, "a": 1}', "/a"),
        (b'{"x": [{"b": 1}, {"a/b": {}, "a/b": {}}]}', "/x/1/a~1b"),
        (b'{"x": {"y": {"": 1, "": 2}}}', "/x/y/"),
        (b'{"a": 1, "\\u0061": 2}', "/a"),
    ],
)
def test_a_member_named_twice_is_found(text: bytes, pointer: str) -> None:
    with pytest.raises(ProblemError) as caught:
        codec.refuse_repeated(text)
    assert (caught.value.problem.type, caught.value.problem.pointer) == (ProblemType.MALFORMED.urn, pointer)


@given(strategies.DOCUMENTS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_no_document_that_we_write_names_a_member_twice(document: Desired) -> None:
    codec.refuse_repeated(codec.encode(document))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("appliance",), "Acme SP", "expected a name: 1 to 63 lower-case letters, digits, hyphens and dots"),
        (("appliance",), "-acme", "the first and the last of them a letter or a digit"),
        (("nics", 0, "mac"), "02-00-00-00-00-01", "six pairs of lower-case hexadecimal digits"),
    ],
)
def test_what_a_text_may_be_is_said_in_words(path: tuple[str | int, ...], value: str, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(edited(*path, value=value), Desired)
    assert words in caught.value.problem.detail
    assert "regex" not in caught.value.problem.detail


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("role", "kind"), "king", "Invalid value 'king'; expected one of provider, tenant, gateway"),
        (("management", "speed"), 9, "unknown field `speed`; there are "),
    ],
)
def test_where_a_choice_was_missed_it_is_told_what_there_is(
    path: tuple[str | int, ...], value: object, words: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(edited(*path, value=value), Desired)
    assert words in caught.value.problem.detail


@pytest.mark.parametrize(
    ("failover", "detail"),
    [
        ({"mode": "idle", "replicas": []}, "Object contains unknown field `replicas`"),
        ({"mode": "both"}, "Invalid value 'both'; expected one of idle, partial"),
    ],
)
def test_inside_a_union_it_is_told_of_the_document_that_was_meant(failover: object, detail: str) -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(edited("role", "failover", value=failover), Desired)
    assert caught.value.problem.detail == detail, "a provider's modes are not a tenant's"


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31", "2026-01-31T23:59:00"])
def test_what_a_moment_is_to_be_is_said_in_words(text: str) -> None:
    with pytest.raises(ProblemError, match=r"with its zone, such as 2026-01-31T23:59:00Z"):
        codec.decode(f'["{text}"]'.encode(), tuple[Timestamp, ...])
