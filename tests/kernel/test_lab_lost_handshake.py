"""A failover while a datagram of the tunnel's handshake gets lost: UDP over IPv6 is not given up for it."""

from __future__ import annotations

import functools
from contextlib import ExitStack

import pytest

from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world.line.conditions import Conditions
from tests.kernel.bad_lines import VM, WAYS, way_of
from tests.kernel.lost_datagrams import doors, load, losing

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(("direction", "nth"), [("dport", 1), ("dport", 3), ("sport", 2)])
async def test_a_lost_datagram_of_the_handshake_does_not_cost_udp_over_ipv6(
    lab: Lab, direction: str, nth: int
) -> None:
    places = doors(lab) if direction == "dport" else [_router(lab)]
    await lab.lines.change("acme", WAYS["udp over ipv6"])
    try:
        with ExitStack() as stack:
            for machine, device in places:
                there = functools.partial(load, machine)
                lost = losing(nth, protocol="ip6", direction=direction, device=device, load=there)
                stack.enter_context(lost)
            await drill.fail_over(lab, [VM])
            assert await way_of(lab) == "udp over ipv6"
    finally:
        await lab.lines.change("acme", Conditions())
        await drill.undo(lab, [VM])


def _router(lab: Lab) -> tuple[str, str]:
    """The tenant's router, and its device at the internet."""
    router = lab.topology.routers["acme"]
    return router, f"eth{len(lab.topology.machines[router].ports) - 1}"
