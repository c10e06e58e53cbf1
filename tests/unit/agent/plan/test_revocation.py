"""What a document may revoke, and where it is told what is wrong with it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import openvpn_config, revocation
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.processes import Process, VpnServer
from causeway_controller.trust import pki
from causeway_wire import codec
from causeway_wire.desired import Desired, Extension, GatewayRole, Partial
from causeway_wire.observed import Transport
from causeway_wire.problem import ProblemError, ProblemType
from tests import documents

NOW = datetime.now(UTC)
AUTHORITY = pki.make_vpn_authority("acme", now=NOW)
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20"),))


def management(*revoked: str) -> Desired:
    whole = documents.provider()
    return structs.replace(whole, management=structs.replace(whole.management, revoked=revoked))


@pytest.mark.parametrize(
    "serial",
    ["", "0", "0a", "0A", "AB", "a:b", "-1", "0x1f", "g", "a\n", " a", "f" * 41, "1" * 400, "٣", "a b"],
)
def test_what_is_no_serial_number_is_refused_by_its_place(serial: str) -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(codec.encode(management("1f", serial)), Desired)
    assert caught.value.problem.type == ProblemType.INVALID.urn
    assert caught.value.problem.pointer == "/management/revoked/1"


def test_serial_numbers_of_every_length_are_taken() -> None:
    sent = management("1", "f" * 40, "1f")
    assert codec.decode(codec.encode(sent), Desired) == sent
    compile_document(sent, documents.FACTS)


def test_a_serial_number_named_twice_is_a_problem() -> None:
    with pytest.raises(CompileError) as caught:
        compile_document(management("1f", "2", "1f"), documents.FACTS)
    assert [(one.type, one.pointer) for one in caught.value.problems] == [
        (ProblemType.DUPLICATE.urn, "/management/revoked/2")
    ]


def test_a_document_that_revokes_nothing_has_the_text_it_had_before_there_was_revocation() -> None:
    assert b"revoked" not in codec.encode(documents.provider())


def issued(usage: pki.Usage = pki.Usage.CLIENT) -> str:
    key = pki.make_key().public_key()
    return pki.pem(AUTHORITY.issue(key, common_name="end", usage=usage, now=NOW))


SERVER, CLIENT = issued(pki.Usage.SERVER), issued()


def provider(*revoked: str) -> Desired:
    tunnel = structs.replace(documents.server(0), certificate=SERVER, ca=AUTHORITY.pem, revoked=revoked)
    network = structs.replace(documents.provider_network(0), tunnel=tunnel)
    return documents.provider(PARTIAL, networks=(network,))


def tenant(*revoked: str, gateways: tuple[str, ...] = ()) -> Desired:
    tunnel = structs.replace(
        documents.client(),
        certificate=CLIENT,
        ca=AUTHORITY.pem,
        gateway_ca=AUTHORITY.pem,
        revoked=revoked,
        gateway_revoked=gateways,
    )
    return documents.tenant(PARTIAL, tunnel=tunnel)


def gateway(*revoked: str) -> Desired:
    whole = documents.gateway(documents.gateway_tunnel(0), documents.gateway_tunnel(1))
    role = whole.role
    assert isinstance(role, GatewayRole)
    tenants = tuple(structs.replace(each, ca=AUTHORITY.pem) for each in role.tenants)
    tunnels = (*role.tunnels[:-1], structs.replace(role.tunnels[-1], revoked=revoked))
    return structs.replace(whole, role=structs.replace(role, tenants=tenants, tunnels=tunnels))


def refused(document: Desired) -> list[tuple[str, object]]:
    with pytest.raises(CompileError) as caught:
        compile_document(document, documents.FACTS)
    return [(one.type, one.pointer) for one in caught.value.problems]


AT = {
    "provider": (provider, "/role/networks/0/tunnel/revoked"),
    "tenant": (tenant, "/role/tunnel/revoked"),
    "tenant, gateways": (lambda *revoked: tenant(gateways=revoked), "/role/tunnel/gateway_revoked"),
    "gateway": (gateway, None),
}


@pytest.mark.parametrize("place", AT)
def test_each_end_names_what_is_wrong_by_its_place(place: str) -> None:
    build, pointer = AT[place]
    if pointer is None:
        role = gateway().role
        assert isinstance(role, GatewayRole)
        pointer = f"/role/tunnels/{len(role.tunnels) - 1}/revoked"
    compile_document(build("1f", pki.serial(issued())), documents.FACTS)
    assert refused(build("1f", "1f")) == [(ProblemType.DUPLICATE.urn, f"{pointer}/1")]
    authority = pki.serial(AUTHORITY.pem)
    assert refused(build("1f", authority)) == [(ProblemType.INVALID.urn, f"{pointer}/1")]
    with pytest.raises(ProblemError) as caught:
        codec.decode(codec.encode(build("1F")), Desired)
    assert caught.value.problem.pointer is not None
    assert str(caught.value.problem.pointer).endswith("revoked/0")


def test_an_end_s_own_certificate_is_revoked_at_the_other_end() -> None:
    where = "/role/networks/0/tunnel/revoked/0"
    assert refused(provider(pki.serial(SERVER))) == [(ProblemType.INVALID.urn, where)]
    assert refused(tenant(pki.serial(CLIENT))) == [(ProblemType.INVALID.urn, "/role/tunnel/revoked/0")]


def processes(document: Desired) -> dict[str, Process]:
    return {each.name: each for each in compile_document(document, documents.FACTS).processes}


def test_revoking_starts_the_servers_of_that_tunnel_anew_and_no_others() -> None:
    def both(*revoked: str) -> dict[str, Process]:
        network = structs.replace(
            documents.provider_network(0), tunnel=structs.replace(documents.server(0), revoked=revoked)
        )
        vms = (*PARTIAL.replicas, documents.replica(21, "net-1", "192.168.1.20"))
        networks = (network, documents.provider_network(1))
        return processes(documents.provider(Partial(replicas=vms), networks=networks))

    before, after = both(), both("ff", "1")
    assert {name for name in before if before[name] != after[name]} == {"vpn-acme-0-udp", "vpn-acme-0-tcp"}
    changed = after["vpn-acme-0-udp"]
    assert isinstance(changed, VpnServer)
    assert set(changed.files) >= {("revoked/255", ""), ("revoked/1", "")}
    assert "\ncrl-verify revoked dir\n" in changed.configuration.reveal()


def test_a_bridged_tunnel_refuses_as_a_routed_one_does() -> None:
    bridged = structs.replace(documents.server(0), extension=Extension.BRIDGED, revoked=("ff",))
    assert openvpn_config.server_files(bridged, Transport.UDP, documents.FACTS) == (("revoked/255", ""),)
    network = structs.replace(
        documents.provider_network(0), tunnel=structs.replace(documents.server(0), revoked=("ff",))
    )
    whole = documents.bridged(documents.provider(PARTIAL, networks=(network,)))
    files = {each.files for each in processes(whole).values() if isinstance(each, VpnServer)}
    assert files == {(("revoked/255", ""),)}


def test_what_is_revoked_is_listed_by_tunnel() -> None:
    told = [(one.serial, one.at) for one in revocation.at_tunnels(tenant("1f", gateways=("2f",)))]
    assert told == [("1f", "acme-0"), ("2f", "acme-0")]
    assert [(one.serial, one.at) for one in revocation.at_tunnels(provider("3f"))] == [("3f", "acme-0")]
    assert [one.serial for one in revocation.at_tunnels(gateway("4f"))] == ["4f"]
    assert list(revocation.at_tunnels(None)) == []


@given(st.integers(min_value=1, max_value=2**159 - 1))
def test_serial_numbers_are_read_as_the_authority_writes_them(number: int) -> None:
    builder = x509.CertificateBuilder().subject_name(AUTHORITY.certificate.subject)
    builder = builder.issuer_name(AUTHORITY.certificate.subject).public_key(AUTHORITY.key.public_key())
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1)).serial_number(number)
    made = pki.pem(builder.sign(AUTHORITY.key, hashes.SHA256()))
    assert revocation.serials(SERVER + made) == {pki.serial(SERVER), pki.serial(made), f"{number:x}"}


@given(st.binary(max_size=40))
def test_what_is_no_certificate_has_no_serial_number(content: bytes) -> None:
    text = base64.b64encode(content).decode()
    revocation.serials(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    cut = SERVER.splitlines()
    assert revocation.serials("\n".join((cut[0], cut[-1]))) == frozenset()
