"""For which networks, in which modes, routers are advertised; and what is said."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_network

import pytest

from causeway_agent.backends.segment import router_frames
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.processes import RouterAdvertiser
from causeway_wire.desired import Desired, Full, FullNetwork, Partial, ProviderRole, RouterAdvertisements
from tests import documents

replace = documents.replace
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))


def advertisers(document: Desired) -> dict[str, RouterAdvertiser]:
    target = compile_document(document, documents.FACTS)
    return {each.device: each for each in target.processes if isinstance(each, RouterAdvertiser)}


@pytest.mark.parametrize("failover", [documents.full("net-0"), documents.rehearsal("net-0")])
def test_a_network_that_is_taken_over_is_told_its_router(failover: Full) -> None:
    (found,) = advertisers(documents.provider(failover)).values()
    assert (found.device, found.prefixes) == ("eth1", (ip_network("2001:db8:0::/64"),))
    assert (found.lifetime, found.managed, found.other, found.autonomous) == (1800, False, False, True)


@pytest.mark.parametrize(
    "document", [documents.provider(), documents.provider(PARTIAL), documents.tenant(PARTIAL)]
)
def test_nobody_else_is(document: Desired) -> None:
    assert not advertisers(document)


def test_the_document_says_what_is_told_and_whether() -> None:
    said = RouterAdvertisements(managed=True, other=True, autonomous=False, lifetime=600)
    quiet = RouterAdvertisements(send=False)
    networks = (
        FullNetwork(network="net-0", router_advertisements=said),
        FullNetwork(network="net-1", router_advertisements=quiet),
    )
    (found,) = advertisers(documents.provider(Full(networks=networks))).values()
    assert (found.device, found.lifetime, found.managed, found.other, found.autonomous) == (
        "eth1",
        600,
        True,
        True,
        False,
    )


def test_a_network_without_an_ipv6_gateway_has_its_router_elsewhere() -> None:
    whole = documents.provider(documents.full("net-0"))
    assert isinstance(whole.role, ProviderRole)
    first, other = whole.role.networks
    networks = (replace(first, gateways=first.gateways[:1]), other)
    assert not advertisers(replace(whole, role=replace(whole.role, networks=networks)))


def test_the_frame_is_the_standards() -> None:
    spec = RouterAdvertiser(
        device="eth1",
        prefixes=(ip_network("2001:db8::/64"), ip_network("2001:db8:1::/60")),
        mtu=1500,
        lifetime=1800,
        managed=True,
        other=False,
        autonomous=True,
    )
    sender = router_frames.Sender(IPv6Address("fe80::1"), bytes.fromhex("020000000001"))
    frame = router_frames.advertisement(spec, sender)
    assert frame[:14].hex() == "33330000000102000000000186dd"
    assert frame[21] == 255
    assert frame[22:54] == IPv6Address("fe80::1").packed + IPv6Address("ff02::1").packed
    message = frame[54:]
    assert message[:2] + message[4:16] == bytes.fromhex("8600408007080000000000000000")
    assert message[16:32].hex() == "010102000000000105010000000005dc"
    assert message[32:36].hex() == "030440c0"
    assert message[64:68].hex() == "03043c80"
    leaving = router_frames.advertisement(spec, sender, leaving=True)
    assert leaving[60:62] == b"\0\0"


@pytest.mark.parametrize("frame", [b"", b"\0" * 60, b"\0" * 12 + b"\x86\xdd" + b"\0" * 60])
def test_what_is_no_solicitation_is_none(frame: bytes) -> None:
    assert router_frames.parse_solicitation(frame) is None
