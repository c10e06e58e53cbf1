"""Who carries a tunnel, as it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model import offload
from causeway_agent.plan.model.processes import VpnClient, VpnServer
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
    assert offload.why_not("no kernel module ovpn", Transport.TCP) == "no kernel module ovpn"
    assert offload.why_not(None, Transport.TCP) == "the transport is TCP"
    assert offload.why_not(None, Transport.UDP) == "the extension is bridged"
