"""Two controllers whose line swallows what is larger than it carries, without a word."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab
from causeway_lab.service.two_controllers import PROVIDER
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world.line.conditions import Conditions

pytestmark = pytest.mark.kernel

SMALLEST = Conditions().changed(mtu=1280, icmp=False, delay=0.02)
FULL_SEGMENT = 1500


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sites(lab: Lab) -> AsyncIterator[TwoSites]:
    """Controllers that have not met."""
    with tempfile.TemporaryDirectory(prefix="cw-") as place:
        async with TwoSites(lab, "acme", Path(place)) as made:
            yield made


async def test_a_line_that_swallows_large_packets_keeps_nothing_from_a_tenants_controller(
    lab: Lab, sites: TwoSites
) -> None:
    before = lab.lines.conditions("acme")
    await lab.lines.change("acme", SMALLEST)
    try:
        await sites.controllers.join()
        found = await sites.tenant.ask("provider", "resources", PROVIDER, "--json")
    finally:
        await lab.lines.change("acme", before)
    assert len(found) > FULL_SEGMENT, "the control: it does not fit into one packet"
