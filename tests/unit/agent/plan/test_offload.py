"""Who carries a tunnel, as it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model import offload
from causeway_agent.plan.model.processes import VpnClient, VpnServer
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import Desired, Partial
from causeway_wire.observed import Transport
from tests import documents

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))


@pytest.mark.parametrize("document", [documents.provider(PARTIAL), documents.tenant(PARTIAL)])
@pytest.mark.parametrize(
    ("why_not", "expected"), [(None, {Transport.UDP}), ("no kernel module ovpn", set[Transport]())]
)
def test_only_what_goes_over_udp_is_the_kernels_and_only_where_it_can(
    document: Desired, why_not: str | None, expected: set[Transport]
) -> None:
    target = compile_document(document, replace(documents.FACTS, no_offload=why_not))
    ours = [process for process in target.processes if isinstance(process, VpnServer | VpnClient)]
    assert {
        transport for transport in Transport for process in ours if offload.carried(process, transport)
    } == expected


def test_the_machines_reason_comes_before_the_tunnels() -> None:
    assert offload.why_not("no kernel module ovpn", Transport.TCP, "older") == "no kernel module ovpn"
    assert offload.why_not(None, Transport.TCP, "older") == "the transport is TCP"
    assert offload.why_not(None, Transport.UDP, "older") == "older"
    assert offload.why_not(None, Transport.UDP, None) == "the extension is bridged"


@pytest.mark.parametrize("document", [documents.provider(PARTIAL), documents.tenant(PARTIAL)])
def test_a_tunnel_that_openvpn_declined_is_the_processs_and_is_known_for_it(document: Desired) -> None:
    able = replace(documents.FACTS, no_offload=None)
    tunnels = {process.tunnel: "older" for process in vpns(document, able)}
    assert {process.declined for process in vpns(document, able)} == {None}
    nowhere = replace(documents.FACTS, declined=tunnels)
    assert {process.declined for process in vpns(document, nowhere)} == {None}
    instead = vpns(document, replace(able, declined=tunnels))
    assert not any(offload.carried(process, Transport.UDP) for process in instead)
    assert {process.tunnel: process.declined for process in instead if process.declined} == tunnels
    over_tcp = [one for one in instead if isinstance(one, VpnServer) and one.transport is Transport.TCP]
    assert not any(one.declined for one in over_tcp)


def test_another_tunnel_than_the_one_that_was_declined_stays_the_kernels() -> None:
    other = documents.replica(21, "net-1", "192.168.1.21", "2001:db8:1::21")
    document = documents.provider(Partial(replicas=(*PARTIAL.replicas, other)))
    able = replace(documents.FACTS, no_offload=None)
    first, second = sorted({process.tunnel for process in vpns(document, able)})
    instead = vpns(document, replace(able, declined={first: "older"}))
    assert {process.tunnel for process in instead if offload.carried(process, Transport.UDP)} == {second}


def vpns(document: Desired, facts: Facts) -> list[VpnServer | VpnClient]:
    found = compile_document(document, facts).processes
    return [process for process in found if isinstance(process, VpnServer | VpnClient)]
