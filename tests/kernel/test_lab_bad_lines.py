"""A failover over a bad line by the other ways there are: IPv6 outside, and TCP where UDP is blocked.

`test_tunnel_pauses` has the same over UDP and IPv4, in more shapes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world.console import Gaps
from causeway_lab.world.line.conditions import Conditions
from tests.kernel.bad_lines import VM, WAYS, watched, way_of

pytestmark = pytest.mark.kernel


@pytest_asyncio.fixture(scope="module", params=list(WAYS), loop_scope="session")
async def way(lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A VM is failed over, and its tunnel knows this way only."""
    await lab.lines.change("acme", WAYS[request.param])
    try:
        await drill.fail_over(lab, [VM])
        yield request.param
    finally:
        await lab.lines.change("acme", Conditions())
        await drill.undo(lab, [VM])


async def looking(lab: Lab, way: str, line: Conditions, seconds: float) -> Gaps:
    """Echoes while the line is so, and until what it held has arrived; the tunnel is the same afterwards."""
    found, restarts = await watched(lab, WAYS[way], line, seconds)
    assert await way_of(lab) == way
    assert restarts == 0
    return found


async def test_pauses_lose_nothing_and_restart_nothing(lab: Lab, way: str) -> None:
    line = WAYS[way].changed(pause_every=2.5, pause_for=0.8)
    found = await looking(lab, way, line, 3.0)
    assert (found.longest_gap or 0) > 0.4, "the line did pause"
    assert found.received == found.sent


async def test_jitter_loses_nothing_and_restarts_nothing(lab: Lab, way: str) -> None:
    found = await looking(lab, way, WAYS[way].changed(delay=0.125, jitter=0.125), 2.5)
    assert found.received == found.sent


async def test_a_long_line_that_loses_costs_what_it_loses(lab: Lab, way: str) -> None:
    """Four packets in a hundred at the most: each way there is one, and chance."""
    found = await looking(lab, way, WAYS[way].changed(delay=0.08, jitter=0.02, loss=0.01), 3.0)
    assert found.received > 0.95 * found.sent


async def test_packets_that_are_overtaken_arrive(lab: Lab, way: str) -> None:
    found = await looking(lab, way, WAYS[way].changed(reorder_every=50, reorder_depth=90), 2.5)
    assert found.received == found.sent


@pytest.mark.parametrize("way", ["tcp over ipv6"], indirect=True)
async def test_a_nat_that_forgets_a_connection_costs_a_moment(lab: Lab, way: str) -> None:
    """`test_nat_rebinding_tcp` has the same over IPv4, and without a word of it."""
    line = WAYS[way]
    found, _ = await watched(lab, line, msgspec.structs.replace(line, nat=True), 2.0)
    assert await way_of(lab) == way
    assert 0.02 < (found.longest_gap or 0) < 1.5
