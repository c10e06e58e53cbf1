"""How long an upload may stand still: each of its phases has its own patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from causeway_controller.hypervisors import uploads
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.uploads import Upload

pytestmark = pytest.mark.timeout(20)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_STALLED_SECONDS", 0.1)
    monkeypatch.setattr(uploads, "_POLL", 0.01)


async def through(upload: Upload, work: Awaitable[object]) -> None:
    async with asyncio.timeout(5):
        await upload.through(work)


async def test_a_host_that_thinks_is_waited_for_as_long_as_was_said() -> None:
    told: list[tuple[str, float]] = []
    upload = Upload("vc1", 10, lambda phrase, part: told.append((phrase, part)))

    async def work() -> None:
        upload.waits("make the machine", 5)
        await asyncio.sleep(0.3)
        upload.sent(10)
        upload.waits("take the disk over", 5)
        await asyncio.sleep(0.3)

    await through(upload, work())
    assert ("waiting for the host", 0.0) in told
    assert told[-1] == ("waiting for the host", 0.9)


async def test_who_thinks_for_longer_is_given_up() -> None:
    upload = Upload("vc1", 10, lambda *_: None)

    async def work() -> None:
        upload.waits("make the machine", 0.1)
        await asyncio.Event().wait()

    with pytest.raises(HypervisorError, match="host vc1 did not make the machine within 0 s") as failed:
        await through(upload, work())
    assert failed.value.cause is Cause.SLOW
    with pytest.raises(HypervisorError, match="given up"):
        upload.waits("take the disk over", 5)


async def test_a_disk_of_which_nothing_moves_is_given_up_sooner() -> None:
    upload = Upload("vc1", 10, lambda *_: None)

    async def work() -> None:
        upload.waits("make the machine", 5)
        upload.sent(1)
        await asyncio.Event().wait()

    with pytest.raises(HypervisorError, match="host vc1 took nothing of the disk for 0 s"):
        await through(upload, work())
