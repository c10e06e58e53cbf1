"""What a libvirt host still makes for a deployment that was given up, or beside a removal."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from causeway_controller.hypervisors.base import Machine, unwatched
from causeway_controller.hypervisors.libvirt import machines, volumes
from tests.conformance import kinds
from tests.conformance.kinds import OWNER
from tests.libvirtd import Libvirtd

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]


@pytest.mark.parametrize("what", [".iso", "-image-"])
async def test_what_is_made_after_it_was_given_up_goes_too(
    daemon: Libvirtd, place: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The seed's disc, or the image."""
    create, begun, taken_back = volumes.create, asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def late(pool: Any, name: str) -> Any:
        if what not in name:
            return create(pool, name)
        loop.call_soon_threadsafe(begun.set)
        assert taken_back.wait(30)
        return create(pool, name)

    async with kinds.libvirt(daemon, Path(tempfile.mkdtemp(dir=place))) as host:
        had = host.there()
        monkeypatch.setattr(volumes, "create", late)
        deploying = asyncio.create_task(host.direct().deploy(host.spec, unwatched))
        await begun.wait()
        deploying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deploying
        taken_back.set()
        for asking in threading.enumerate():
            if asking.name == "libvirt":
                await asyncio.to_thread(asking.join, 30)
        assert host.there() == had


async def test_a_machine_that_is_made_while_its_volumes_are_removed_goes_with_them(
    daemon: Libvirtd, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another controller has no domain yet when the removal looks for it."""
    undefine, loop = machines.undefine, asyncio.get_running_loop()
    made: list[Machine] = []

    async with kinds.libvirt(daemon, Path(tempfile.mkdtemp(dir=place))) as host:

        def first(connection: Any, owner_id: str) -> None:
            undefine(connection, owner_id)
            if not made:
                deploying = host.direct().deploy(host.spec, unwatched)
                made.append(asyncio.run_coroutine_threadsafe(deploying, loop).result(30))

        had = host.there()
        monkeypatch.setattr(machines, "undefine", first)
        await host.direct().destroy(OWNER)
        assert made
        assert host.there() == had
