"""A cloud gateway under a real controller: deployed, certified, watched, given another machine, retired."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from causeway_controller.contract.provider import Gateway, Rebuild
from causeway_lab.assembly import inventory
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.service.controllers import Controller
from causeway_lab.service.host_server import HostServer
from causeway_lab.world import numbering, topology
from causeway_wire import codec

pytestmark = pytest.mark.kernel

EDGE = "edge9"
SECONDS = 150
"""Generous: CI is slow."""
LOOK_SECONDS = 0.1


@pytest_asyncio.fixture(loop_scope="session")
async def controller(lab: Lab, tmp_path: Path, rebuild: Rebuild) -> AsyncIterator[Controller]:
    """One that knows a gateway which the lab has not, at addresses that are free there."""
    async with AsyncExitStack() as stack:
        host = HostServer(lab.hypervisor, Replicas(lab.machines), tmp_path / "host")
        url = (await stack.enter_async_context(host)).url
        stack.push_async_callback(lab.hypervisor.destroy, EDGE)
        made = Controller("first", tmp_path)
        await made.set_up()
        await made.start()
        stack.push_async_callback(made.stop)
        told = inventory.second_host(lab.topology, url, "acme")
        hosts = tuple(replace(one, rebuild=rebuild) for one in told.hosts)
        edge = Gateway(
            id=EDGE,
            host=SECOND_HOST,
            public=numbering.internet(60),
            inside=numbering.sp(60),
            gateways=(),
            public_network=topology.INTERNET,
            inside_network=topology.SP,
        )
        pools = tuple(replace(pool, gateways=(EDGE,)) for pool in told.gateway_pools)
        file = tmp_path / "provider.yaml"
        file.write_bytes(codec.encode(replace(told, hosts=hosts, gateways=(edge,), gateway_pools=pools)))
        await made.ask("apply", "-f", str(file))
        yield made


async def known(controller: Controller, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What is known of the gateway, once this is so of it."""
    deadline = time.monotonic() + SECONDS
    while True:
        (found,) = (await controller.look("/v1/appliances"))["appliances"]
        if true(found):
            return dict(found)
        assert time.monotonic() < deadline, found
        await asyncio.sleep(LOOK_SECONDS)


@pytest.mark.parametrize("rebuild", [Rebuild.NEVER])
@pytest.mark.timeout(500)
async def test_a_gateway_is_deployed_watched_replaced_and_retired(lab: Lab, controller: Controller) -> None:
    assert "runs, is enrolled" in await controller.ask("gateway", "deploy", EDGE)
    first = await known(controller, lambda one: one["condition"] == "healthy")
    assert (first["appliance"], "tenant" in first, first["intended_mode"]) == (EDGE, False, "idle")
    assert EDGE not in await controller.ask("status", ok=(1,)), "what is wrong is the appliance alone"
    await controller.ask("gateway", "deploy", EDGE)
    again = await known(controller, lambda one: one["condition"] == "healthy")
    assert again["generation"] == first["generation"], "what is so already stays"

    await lab.hypervisor.power(EDGE, on=False, grace=0.0)
    await known(controller, lambda one: one["condition"] == "off")
    await controller.ask("gateway", "redeploy", EDGE)
    # It may have been asked how it is between its certificate and its document.
    other = await known(
        controller,
        lambda one: one["condition"] == "healthy" and one["certificate"] != first["certificate"],
    )

    await controller.ask("gateway", "rotate", EDGE)
    await known(controller, lambda one: one["certificate"] != other["certificate"])
    await controller.ask("gateway", "retire", EDGE)
    assert (await controller.ask_json("appliance", "list"))["appliances"] == []
    assert await lab.hypervisor.find(EDGE) is None
    subjects = {one["subject"] for one in (await controller.ask_json("audit", "list"))["records"]}
    assert f"gateway {EDGE}" in subjects


@pytest.mark.parametrize("rebuild", [Rebuild.SAFE])
@pytest.mark.timeout(500)
async def test_what_its_host_lost_comes_back_by_itself_though_the_controller_dies(
    lab: Lab, controller: Controller, tmp_path: Path
) -> None:
    await controller.ask("gateway", "deploy", EDGE)
    first = await known(controller, lambda one: one["condition"] == "healthy")
    await lab.hypervisor.destroy(EDGE)
    await begun(controller)
    await controller.kill()
    second = Controller("second", tmp_path)
    await second.start()
    try:
        back = await known(second, lambda one: one["condition"] == "healthy")
        assert back["certificate"] != first["certificate"]
        (run,) = await second.ask_json("run", "list")
        assert (run["request"]["request"], run["host"], "tenant" in run) == ("rebuild-gateway", EDGE, False)
        assert (run["open"], run["last"]["kind"]) == (False, "finished")
        assert EDGE not in await second.ask("status", ok=(1,)), "what is wrong is the appliance alone"
    finally:
        await second.stop()


async def begun(controller: Controller) -> None:
    """Wait until a run is open."""
    deadline = time.monotonic() + SECONDS
    while not (await controller.look("/v1/runs"))["runs"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(LOOK_SECONDS)
