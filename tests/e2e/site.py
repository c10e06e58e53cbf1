"""The world of the end-to-end run: the lab's networks, a libvirt host in them, a provider's controller."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causeway_lab.assembly.machines import Machines
from causeway_lab.qemu import acceleration
from causeway_lab.service.controllers import Controller
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import Topology
from causeway_wire import codec
from tests import libvirtd
from tests.e2e import inventory
from tests.e2e.replicas import Replicas
from tests.libvirtd import POOL, Libvirtd

TENANT: Final = "acme"
ANSWER_SECONDS: Final = 900.0
"""For one command, which may wait for machines that boot under emulation."""


EMULATED: Final = 8
"""The controller's patience with appliances that are emulated (pace.MACHINES)."""


@dataclass(frozen=True)
class Site:
    """Everything there is; appliances come by the controller's commands."""

    world: Topology
    machines: Machines
    host: Libvirtd
    controller: Controller


@asynccontextmanager
async def built(image: Path, place: Path) -> AsyncIterator[Site]:
    """Build it in a sandbox, whose end ends all of it. `place`: an empty directory with a short path."""
    chosen = await acceleration.choose()
    patience = 1 if chosen.name == acceleration.KVM else EMULATED
    world = topology.build(tenants=1, networks=1, gateways=1)
    namespaces.create_fabric(world.segments)
    machines = Machines(world.machines, world.segments, patience=patience)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(machines.down)
        stack.callback(libvirtd.kill_machines)
        await machines.up()
        daemon = await _host(stack, place / "h", chosen.name)
        replicas = Replicas(daemon, machines, TENANT, tuple(world.tenants[TENANT].vms))
        replicas.define()
        await _followed(stack, replicas)
        controller = Controller(
            "north-1", _made(place / "c"), image=image, patience=patience, seconds=ANSWER_SECONDS
        )
        await controller.set_up()
        stack.push_async_callback(controller.kill)
        await controller.start()
        file = place / "inventory.json"
        file.write_bytes(codec.encode(inventory.of(world, daemon.uri, POOL, TENANT, replicas.ids)))
        await controller.ask("apply", "-f", str(file))
        yield Site(world=world, machines=machines, host=daemon, controller=controller)


async def _followed(stack: AsyncExitStack, replicas: Replicas) -> None:
    following = asyncio.create_task(replicas.follow())

    async def ended() -> None:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    stack.push_async_callback(ended)


async def _host(stack: AsyncExitStack, directory: Path, accelerated: str) -> Libvirtd:
    """Start a libvirt host in the networks of the lab."""
    daemon = Libvirtd(directory)
    daemon.within = namespaces.within(
        namespaces.FABRIC,
        *("unshare", "--mount", "--propagation", "private", "--"),
        *(sys.executable, "-m", "tests.e2e.covered", str(directory), accelerated),
    )

    def begin() -> None:
        daemon.make_places()
        daemon.start()
        daemon.make_pool(POOL, daemon.pool)

    stack.callback(daemon.kill)
    await asyncio.to_thread(begin)
    return daemon


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
