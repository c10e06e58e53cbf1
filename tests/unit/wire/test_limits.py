"""Every list takes as many entries as its limit says and none more; all limits together fit into a body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import inspect
from msgspec.structs import replace

from causeway_agent.api import handlers
from causeway_agent.plan.compile import compiler
from causeway_wire import codec, limits
from causeway_wire.desired import (
    Desired,
    Full,
    GatewayRole,
    GatewayTenant,
    Partial,
    ProviderRole,
    TenantRole,
)
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import NAME_PATTERN, Secret
from tests import documents

LISTS = limits.lists(Desired)
WHOLE = [
    json.loads(codec.encode(document))
    for document in (
        documents.provider(Partial(replicas=(documents.replica(1, "net-0", "192.168.0.20"),))),
        documents.provider(Full(networks=())),
        documents.tenant(),
        documents.gateway(documents.gateway_tunnel(0)),
    )
]
_OCTETS = {
    NAME_PATTERN: 63,
    r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}(?!\n)$": 17,
    r"^[0-9a-f]{64}(?!\n)$": 64,
    r"^[1-9a-f][0-9a-f]{0,39}(?!\n)$": 40,
}
_OCTETS[r"^[1-9a-f][0-9a-f]{0,39}(?!\n)$"] = 40
REACHED = [name for name in LISTS if not name.startswith(("/vlans/*", "/role/claims"))]
_SECRET = 300
"""Octets of a tls-crypt-v2 server key as PEM text, in JSON."""


def with_list(pointer: str, length: int) -> bytes | None:
    """A document whose list at this pointer has so many entries; None where no document can have one."""
    for whole in WHOLE:
        *way, last = pointer.split("/")[1:]
        place: Any = json.loads(json.dumps(whole))
        document = place
        try:
            for step in way:
                place = place[0 if step == "*" else step]
        except (KeyError, IndexError, TypeError):
            continue
        place[last] = [_entry(pointer, place.get(last))] * length
        text = json.dumps(document).encode()
        try:
            codec.decode(text, Desired)
        except ProblemError as error:
            if "of length <=" not in error.problem.detail:
                continue
        return text
    return None


def _entry(pointer: str, present: list[Any] | None) -> Any:
    """One entry for the list."""
    if present:
        return present[0]
    entries: dict[str, Any] = {
        "revoked": "1f",
        "gateway_revoked": "1f",
        "vlans": {"name": "v", "trunk": "uplink", "id": 1},
        "macs": "02:00:00:00:00:01",
        "tls_crypt_tags": "ab" * 32,
        "sources": "192.0.2.0/24",
        "denied": "192.0.2.0/24",
        "networks": {"network": "net-0"},
        "routed": "net-0",
        "anyway": {"address": "192.0.2.1", "mac": "02:00:00:00:00:01"},
    }
    interface = "/nics/*/addresses", "/vlans/*/addresses"
    address = "192.0.2.1/24" if pointer in interface else "192.0.2.1"
    return entries.get(pointer.rpartition("/")[2], address)


@pytest.mark.parametrize("name", REACHED)
def test_a_list_takes_its_limit_and_not_one_more(name: str) -> None:
    limit = LISTS[name]
    full, over = with_list(name, limit), with_list(name, limit + 1)
    assert full is not None
    assert over is not None
    codec.decode(full, Desired)
    with pytest.raises(ProblemError) as refused:
        codec.decode(over, Desired)
    problem = refused.value.problem
    assert problem.type == ProblemType.INVALID.urn
    assert problem.pointer == name.replace("*", "0")
    assert f"the limit of {name} is {limit};" in problem.detail


def test_all_limits_are_published() -> None:
    assert handlers.told_limits().lists == LISTS
    assert handlers.told_limits().totals == limits.TOTALS
    assert handlers.told_limits().body_bytes == limits.BODY_BYTES
    names = {"/nics", "/vlans", "/role/networks", "/role/tenants", "/role/tunnels", "/role/failover/replicas"}
    assert names <= LISTS.keys()


def test_every_list_of_a_document_has_a_limit() -> None:
    assert list(_unlimited(inspect.type_info(Desired), "")) == []


def _unlimited(kind: Any, pointer: str) -> list[str]:
    match kind:
        case inspect.Metadata():
            return _unlimited(kind.type, pointer)
        case inspect.UnionType():
            return [one for member in kind.types for one in _unlimited(member, pointer)]
        case inspect.StructType():
            members = [(field.type, f"{pointer}/{field.encode_name}") for field in kind.fields]
            return [one for member in members for one in _unlimited(*member)]
        case inspect.VarTupleType():
            return [pointer] * (kind.max_length is None) + _unlimited(kind.item_type, f"{pointer}/*")
        case _:
            return []


def longest(kind: Any, pointer: str = "") -> int:  # noqa: PLR0911 - one per kind
    """Octets of the longest JSON text of this type, but for lists that have a total."""
    match kind:
        case inspect.Metadata():
            return longest(kind.type, pointer)
        case inspect.UnionType():
            return max(longest(member, pointer) for member in kind.types)
        case inspect.StructType():
            tag = 40 if kind.tag_field else 0
            fields = (
                len(field.encode_name) + 4 + longest(field.type, f"{pointer}/{field.encode_name}")
                for field in kind.fields
            )
            return 2 + tag + sum(fields)
        case inspect.VarTupleType():
            count = 0 if pointer in limits.TOTALS else kind.max_length
            return 2 + (count or 0) * (1 + longest(kind.item_type, f"{pointer}/*"))
        case inspect.StrType(max_length=int(length)):
            return length * 66 // 65 + 8  # a line feed is two octets of JSON
        case inspect.StrType(pattern=str(pattern)):
            return 2 + _OCTETS[pattern]
        case inspect.CustomType():
            return _SECRET if kind.cls is Secret else 2 + 43
        case _:
            return 20  # numbers, names of an enumeration, null


@pytest.mark.parametrize("role", [ProviderRole, TenantRole, GatewayRole])
def test_a_document_at_every_limit_fits_into_a_body(role: type) -> None:
    around = longest(inspect.type_info(Desired)) - max(
        longest(inspect.type_info(each), "/role") for each in (ProviderRole, TenantRole, GatewayRole)
    )
    gateway = "/role/tunnels/*/revoked"
    names = {gateway} if role is GatewayRole else limits.TOTALS.keys() - {gateway}
    totals = sum(limits.TOTALS[name] * (2 + 44) for name in names)
    assert around + longest(inspect.type_info(role), "/role") + totals <= limits.BODY_BYTES


def test_a_gateway_with_as_many_tenants_and_tunnels_as_it_may_have_is_accepted() -> None:
    pem = "-----BEGIN CERTIFICATE-----\n" + ("A" * 64 + "\n") * 30 + "-----END CERTIFICATE-----\n"
    assert 0 <= limits.AUTHORITY - len(pem) < 65
    key = documents.tls_crypt("server")
    tenants = tuple(GatewayTenant(id=f"t{n}", tls_crypt=key, ca=pem) for n in range(limits.TENANTS))
    one = documents.gateway_tunnel(0)
    tunnels = tuple(
        replace(
            one,
            tenant=f"t{n // 2}",
            tunnel=f"n{n}",
            client_name=f"c{n}",
            port=2001 + n,
            tls_crypt_tags=tuple(f"{4 * n + k:064x}" for k in range(4)),
        )
        for n in range(limits.TUNNELS)
    )
    document = documents.gateway()
    role = document.role
    assert isinstance(role, GatewayRole)
    whole = replace(document, role=replace(role, tenants=tenants, tunnels=tunnels))
    text = codec.encode(whole)
    assert len(text) <= limits.BODY_BYTES
    assert codec.decode(text, Desired) == whole
    assert len(compiler.compile_document(whole, documents.FACTS).processes) == 2
