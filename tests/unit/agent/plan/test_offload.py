"""Why a tunnel is carried by its process."""

from __future__ import annotations

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model import offload
from causeway_agent.plan.model.processes import VpnClient, VpnServer
from causeway_wire.desired import Desired, Partial
from causeway_wire.observed import Transport
from tests import documents

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
ROUTED = (documents.provider(PARTIAL), documents.tenant(PARTIAL))
NO_MODULE = "no kernel module ovpn"


def told(document: Desired, machine: str | None, transport: Transport) -> set[str]:
    """What is told of all processes of the document's tunnels."""
    target = compile_document(document, documents.FACTS)
    ours = [process for process in target.processes if isinstance(process, VpnServer | VpnClient)]
    assert ours
    return {offload.why_not(machine, process, transport) for process in ours}


@pytest.mark.parametrize("document", ROUTED)
def test_the_machines_reason_comes_first_then_the_transports_then_the_extensions(document: Desired) -> None:
    bridged = documents.bridged(document)
    for each in (document, bridged):
        assert told(each, NO_MODULE, Transport.TCP) == told(each, NO_MODULE, Transport.UDP) == {NO_MODULE}
        assert told(each, None, Transport.TCP) == {"the transport is TCP"}
    assert told(bridged, None, Transport.UDP) == {"the extension is bridged"}
    assert told(document, None, Transport.UDP) == {"tunnels are not left to the kernel yet"}
