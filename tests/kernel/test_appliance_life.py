"""The life of a real appliance under a real controller: watched, refused when it is gone, brought back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from causeway_lab.assembly import inventory
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, LabError
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.service.controllers import Controller
from causeway_lab.service.host_server import HostServer
from causeway_wire import codec

pytestmark = pytest.mark.kernel

TENANT = "acme"
ID = f"{TENANT}-{SECOND_HOST}"
VM = "db1"
WHERE = (TENANT, SECOND_HOST)
SECONDS = 90
"""Generous: CI is slow."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """A controller that knows the tenant, and the host that it deploys to."""

    lab: Lab
    place: Path
    controller: Controller

    async def deployed(self) -> None:
        await self.controller.ask("appliance", "deploy", *WHERE)

    async def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What is known of the appliance, once this is so of it."""
        deadline = time.monotonic() + SECONDS
        while not true(found := await self.known()):
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.5)
        return found

    async def known(self) -> dict[str, Any]:
        """What is known of the appliance."""
        (found,) = (await self.controller.ask_json("appliance", "list", ok=(0, 1)))["appliances"]
        return dict(found)

    async def refused(self, *arguments: str) -> str:
        with pytest.raises(LabError) as caught:
            await self.controller.ask(*arguments)
        return str(caught.value).partition("; the end of its log")[0]


@pytest_asyncio.fixture(loop_scope="session")
async def story(lab: Lab, tmp_path: Path) -> AsyncIterator[Story]:
    async with AsyncExitStack() as stack:
        host = HostServer(lab.hypervisor, Replicas(lab.machines), tmp_path / "host")
        url = (await stack.enter_async_context(host)).url
        stack.push_async_callback(lab.hypervisor.destroy, ID)
        controller = Controller("first", tmp_path)
        await controller.set_up()
        await controller.start()
        stack.push_async_callback(controller.stop)
        file = tmp_path / "provider.yaml"
        file.write_bytes(codec.encode(inventory.second_host(lab.topology, url, TENANT)))
        await controller.ask("apply", "-f", str(file))
        yield Story(lab=lab, place=tmp_path, controller=controller)


@pytest.mark.timeout(400)
async def test_what_becomes_of_an_appliance_is_told_and_a_failover_on_a_dead_one_refused(
    story: Story,
) -> None:
    failover = ("failover", "full", TENANT, VM, "--host", SECOND_HOST, "--detach")
    assert f"causeway appliance deploy {TENANT} {SECOND_HOST}" in await story.refused(*failover)
    assert not await story.controller.ask_json("run", "list")

    await story.deployed()
    well = await story.until(lambda one: one["condition"] == "healthy")
    assert (well["mode"], well["intended_mode"], well["appliance"]) == ("idle", "idle", ID)
    assert "Nothing is wrong" in await story.controller.ask("status")

    await story.controller.ask("failover", "full", TENANT, VM, "--host", SECOND_HOST)
    full = await story.until(lambda one: one.get("intended_mode") == "full")
    assert (full["mode"], full["condition"]) == ("full", "healthy")

    await story.lab.hypervisor.power(ID, on=False, grace=0.0)
    await story.until(lambda one: one["condition"] == "off")
    first_line = (await story.controller.ask("status", ok=(0, 1))).splitlines()[0]
    assert first_line.startswith(f"{TENANT} on {SECOND_HOST}: it is full and powered off")

    await story.deployed()
    back = await story.until(lambda one: one["condition"] == "healthy")
    assert back["mode"] == "full"
    await story.controller.ask("failover", "undo", TENANT, "--full", "--host", SECOND_HOST)
