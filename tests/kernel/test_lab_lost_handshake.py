"""A failover while a datagram of the tunnel's handshake gets lost: UDP over IPv6 is not given up for it."""

from __future__ import annotations

import pytest

from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world import namespaces
from causeway_lab.world.line.conditions import Conditions
from tests.kernel.bad_lines import VM, WAYS, goes

pytestmark = pytest.mark.kernel

LOSSY = """
table netdev lossy
delete table netdev lossy
table netdev lossy {{
  chain door {{
    type filter hook ingress device {device} priority 0;
    meta protocol ip6 udp {direction} 6180 @th,64,5 != {{ 30, 31 }} numgen inc mod 65536 {nth} drop
  }}
}}
"""
"""The so-and-so-many-th datagram that is no question or answer of ours gets lost."""
KEPT = "table netdev lossy\ndelete table netdev lossy\n"


@pytest.mark.parametrize(("direction", "nth"), [("dport", 1), ("dport", 3), ("sport", 2)])
async def test_a_lost_datagram_of_the_handshake_does_not_cost_udp_over_ipv6(
    lab: Lab, direction: str, nth: int
) -> None:
    places = _gateways(lab) if direction == "dport" else [_router(lab)]
    await lab.lines.change("acme", WAYS["udp over ipv6"])
    for machine, device in places:
        namespaces.run(
            machine, "nft", "-f", "-", text=LOSSY.format(device=device, direction=direction, nth=nth - 1)
        )
    try:
        await drill.fail_over(lab, [VM])
        await goes(lab, "udp over ipv6")
    finally:
        for machine, _ in places:
            namespaces.run(machine, "nft", "-f", "-", text=KEPT)
        await lab.lines.change("acme", Conditions())
        await drill.undo(lab, [VM])


def _gateways(lab: Lab) -> list[tuple[str, str]]:
    """Each gateway's machine, and its device at the internet."""
    found = []
    for gateway in lab.topology.gateways:
        ports = lab.topology.machines[gateway.id].ports
        own = next(n for n, port in enumerate(ports) if port.mac == gateway.public.mac)
        found.append((gateway.id, f"eth{own}"))
    return found


def _router(lab: Lab) -> tuple[str, str]:
    """The tenant's router, and its device at the internet."""
    router = lab.topology.routers["acme"]
    return router, f"eth{len(lab.topology.machines[router].ports) - 1}"
