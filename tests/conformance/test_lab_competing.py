"""A machine of the lab that is removed, beside other acts and after a removal that failed half-way."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_lab import hypervisor
from causeway_lab.hypervisor import LabProvider
from tests.conformance import kinds
from tests.conformance.kinds import OWNER, SEGMENTS, LabKind

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]


@pytest_asyncio.fixture
async def lab(place: Path) -> AsyncIterator[LabKind]:
    async with kinds.lab(Path(tempfile.mkdtemp(dir=place))) as kind:
        yield kind


async def test_a_removal_that_failed_may_be_repeated(lab: LabKind, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_name: str) -> None:
        raise TimeoutError

    had = lab.there()
    provider = LabProvider(segments=SEGMENTS, directory=lab.machines)
    await provider.deploy(lab.spec, unwatched)
    with monkeypatch.context() as patch:
        patch.setattr(hypervisor, "kill_all", refuse)
        with pytest.raises(TimeoutError):
            await provider.destroy(OWNER)
    assert await provider.find(OWNER) is not None
    await provider.destroy(OWNER)
    assert await provider.find(OWNER) is None
    assert lab.there() == had


async def test_what_waits_for_a_removal_starts_nothing(lab: LabKind, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_all = hypervisor.kill_all
    waiting: list[asyncio.Task[None]] = []

    async def meanwhile(name: str) -> None:
        if not waiting:
            waiting.append(asyncio.create_task(provider.power(OWNER, on=True, grace=0)))
            waiting.append(asyncio.create_task(provider.destroy(OWNER)))
            await asyncio.sleep(0)
        await kill_all(name)

    had = lab.there()
    provider = LabProvider(segments=SEGMENTS, directory=lab.machines)
    await provider.deploy(lab.spec, unwatched)
    monkeypatch.setattr(hypervisor, "kill_all", meanwhile)
    await provider.destroy(OWNER)
    power, again = waiting
    with pytest.raises(HypervisorError, match="there is no machine"):
        await power
    await again
    assert lab.there() == had
    assert list(lab.machines.iterdir()) == []
