"""The kernel tier: real packets in private namespaces, one lab for all tests that ask for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab import sandbox
from causeway_lab.assembly.lab import Lab
from causeway_lab.world import topology

HERE = Path(__file__).parent
LAB_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with the lab share its event loop and may wait for its start."""
    for item in items:
        if HERE in item.path.parents and "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.timeout(LAB_SECONDS))


@pytest.fixture(scope="session", autouse=True)
def _in_a_sandbox() -> None:
    if not sandbox.inside():
        pytest.fail("kernel tests change networks: run them in a sandbox, with `make kernel`", pytrace=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    """Both sites with two tenants, two networks each, and two gateways; idle when a test begins."""
    running = Lab(topology.build())
    await running.up()
    yield running
    await running.down()
