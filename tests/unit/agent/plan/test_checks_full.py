"""Every way full failover cannot be meant, each with its pointer."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
import pytest

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_wire.desired import Desired, Failover, Full, FullNetwork, Partial, ProviderRole, Rehearsal
from causeway_wire.problem import ProblemType as P
from tests import documents

change = msgspec.structs.replace

FULL = documents.full("net-0", "net-1")
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20"),))


def refused(document: Desired) -> list[tuple[str, str]]:
    with pytest.raises(CompileError) as caught:
        compile_document(document, documents.FACTS)
    return [(problem.type, str(problem.pointer)) for problem in caught.value.problems]


def role(failover: Failover | None, **members: object) -> Desired:
    document = documents.provider(failover)
    return change(document, role=change(document.role, **members))


def network(failover: Failover | None, **members: object) -> Desired:
    document = documents.provider(failover)
    assert isinstance(document.role, ProviderRole)
    first, *others = document.role.networks
    return change(document, role=change(document.role, networks=(change(first, **members), *others)))


def without_gateway(failover: Failover) -> Desired:
    document = documents.provider(failover)
    uplink, *others = document.nics
    return change(document, nics=(change(uplink, gateways=()), *others))


def entries(*names: str) -> tuple[FullNetwork, ...]:
    return tuple(FullNetwork(network=name) for name in names)


@pytest.mark.parametrize(
    ("failover", "kind", "pointer"),
    [
        (Full(networks=()), P.INVALID, "/role/failover/networks"),
        (Rehearsal(networks=()), P.INVALID, "/role/failover/networks"),
        (
            Full(networks=entries("net-0", "net-7")),
            P.UNKNOWN_REFERENCE,
            "/role/failover/networks/1/network",
        ),
        (Full(networks=entries("net-0", "net-0")), P.DUPLICATE, "/role/failover/networks/1/network"),
        (
            Full(networks=entries("net-0"), routed=("net-0", "net-1")),
            P.UNKNOWN_REFERENCE,
            "/role/failover/routed/1",
        ),
        (
            Full(networks=entries("net-0", "net-1"), routed=("net-0", "net-1", "net-0")),
            P.DUPLICATE,
            "/role/failover/routed/2",
        ),
        (Full(networks=entries("net-0", "net-1"), routed=("net-1",)), P.INVALID, "/role/failover/routed"),
    ],
)
def test_a_failover_of_networks_that_cannot_be_meant(failover: Failover, kind: P, pointer: str) -> None:
    assert refused(documents.provider(failover)) == [(kind.urn, pointer)]


def test_a_network_without_gateways_is_refused_when_it_is_to_be_taken_over_only() -> None:
    assert refused(network(FULL, gateways=())) == [(P.INVALID.urn, "/role/networks/0/gateways")]
    compile_document(network(documents.full("net-1"), gateways=()), documents.FACTS)
    compile_document(network(PARTIAL, gateways=()), documents.FACTS)


@pytest.mark.parametrize("failover", [None, PARTIAL, FULL])
@pytest.mark.parametrize(
    ("gateway", "kind"),
    [("192.168.0.5", P.DUPLICATE), ("192.168.0.0", P.INVALID), ("192.168.0.255", P.INVALID)],
)
def test_a_gateway_that_could_not_be_taken_over_is_refused_in_every_mode(
    failover: Failover | None, gateway: str, kind: P
) -> None:
    document = network(failover, gateways=(ip_address(gateway),))
    assert refused(document) == [(kind.urn, "/role/networks/0/gateways/0")]


@pytest.mark.parametrize("failover", [None, PARTIAL, FULL])
@pytest.mark.parametrize("member", ["public_addresses", "test_addresses"])
@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("192.168.1.77", P.OVERLAP),
        ("192.168.0.1", P.OVERLAP),
        ("192.168.0.5", P.OVERLAP),
        ("10.9.0.1", P.DUPLICATE),
        ("10.9.0.0", P.INVALID),
        ("10.9.0.255", P.INVALID),
        ("100.64.0.1", P.DUPLICATE),
        ("0.0.0.0", P.INVALID),
        ("127.0.0.1", P.INVALID),
        ("224.0.0.5", P.INVALID),
        ("fe80::1", P.INVALID),
    ],
)
def test_an_address_that_cannot_be_owned_is_refused_in_every_mode(
    failover: Failover | None, member: str, address: str, kind: P
) -> None:
    found = refused(role(failover, **{member: (ip_address("198.51.100.77"), ip_address(address))}))
    assert (kind.urn, f"/role/{member}/1") in found
    assert {pointer for _, pointer in found} == {f"/role/{member}/1"}


def test_a_public_address_of_another_adapters_network_is_refused() -> None:
    document = documents.provider(FULL)
    other = documents.nic("management", 3, "198.51.100.2/24")
    document = change(document, nics=(*document.nics, other))
    assert refused(document) == [
        (P.OVERLAP.urn, "/role/public_addresses/0"),
        (P.OVERLAP.urn, "/role/public_addresses/1"),
        (P.OVERLAP.urn, "/role/test_addresses/0"),
    ]


def test_an_address_is_public_once_and_never_a_test_address_too() -> None:
    twice = (ip_address("198.51.100.10"), ip_address("198.51.100.10"))
    assert refused(role(None, public_addresses=twice)) == [(P.DUPLICATE.urn, "/role/public_addresses/1")]
    both = {"public_addresses": twice[:1], "test_addresses": twice[:1]}
    assert refused(role(None, **both)) == [(P.DUPLICATE.urn, "/role/test_addresses/0")]


@pytest.mark.parametrize("denied", ["0.0.0.0/0", "::/0"])
def test_not_everything_can_be_denied(denied: str) -> None:
    networks = (ip_network("10.20.0.0/16"), ip_network(denied))
    assert refused(role(None, denied=networks)) == [(P.INVALID.urn, "/role/denied/1")]


def test_without_a_way_out_there_is_neither_internet_nor_a_public_address() -> None:
    assert refused(without_gateway(documents.full("net-1"))) == [
        (P.INVALID.urn, "/role/failover/networks/0/internet"),
        (P.INVALID.urn, "/role/uplink"),
    ]
    compile_document(without_gateway(PARTIAL), documents.FACTS)
