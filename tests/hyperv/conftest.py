"""A Hyper-V host for each test: nothing of ours on it, a VM of somebody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab import sandbox
from tests.conformance import kinds
from tests.conformance.kinds import HypervKind
from tests.hyperv import samba


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An appliance's VHDX that is small and boots nothing."""
    if not sandbox.inside():
        pytest.fail("these tests start smbd: run them in a sandbox, with `make conformance`", pytrace=False)
    if not samba.available():
        pytest.fail("there is no smbd: scripts/setup hyperv installs it", pytrace=False)
    return kinds.vhdx(tmp_path_factory.mktemp("vhdx"))


@pytest_asyncio.fixture
async def hyperv(tmp_path: Path, image: Path) -> AsyncIterator[HypervKind]:
    async with kinds.hyperv(tmp_path, image) as kind:
        yield kind
