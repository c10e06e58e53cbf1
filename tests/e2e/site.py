"""The provider's side of the end-to-end run: the lab's networks, a libvirt host in them, a controller."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from causeway_lab.assembly.machines import Machines
from causeway_lab.qemu import acceleration
from causeway_lab.service.controllers import Controller
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import Topology
from causeway_wire import codec
from tests import libvirtd, update_parts
from tests.e2e import guest, inventory, ova_disk, replicas
from tests.libvirtd import POOL, Libvirtd
from tests.update_parts import Parts

TENANT: Final = "acme"
ANSWER_SECONDS: Final = 2400.0
"""For one command, which may wait for machines that boot under emulation, one after the other."""
EMULATED: Final = 8
"""The controller's patience with appliances that are emulated (pace.MACHINES)."""


@dataclass(frozen=True)
class Ground:
    """What there is before any controller."""

    world: Topology
    machines: Machines
    host: Libvirtd
    inventory: bytes
    """What the provider's controller is told."""
    parts: Parts
    """Of the update file beside the image."""
    means: dict[str, Any]
    """Of every controller; its image is the disk below."""
    image: Path
    """The qcow2 in `dist`."""
    disk: Path
    """The OVA's own, converted."""


@dataclass(frozen=True)
class Site:
    """A provider's; appliances come by the controller's commands."""

    ground: Ground
    controller: Controller


@asynccontextmanager
async def ground(image: Path, place: Path) -> AsyncIterator[Ground]:
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
        host = await started(stack, place / "h", chosen.name)
        parts = await asyncio.to_thread(update_parts.taken_apart, image, _made(place / "u"))
        system = await asyncio.to_thread(guest.made, parts, _made(place / "g"))
        identities = replicas.define(host, world, TENANT, system)
        told = inventory.of(world, host.uri, POOL, TENANT, identities)
        disk = await ova_disk.taken(image, _made(place / "o"))
        means = {"image": disk, "patience": patience, "seconds": ANSWER_SECONDS}
        yield Ground(world, machines, host, codec.encode(told), parts, means, image, disk)


@asynccontextmanager
async def built(image: Path, place: Path) -> AsyncIterator[Site]:
    """A provider's site, with its controller."""
    async with ground(image, place) as there, AsyncExitStack() as stack:
        controller = Controller("north-1", _made(place / "c"), **there.means)
        await controller.set_up()
        stack.push_async_callback(controller.kill)
        await controller.start()
        file = place / "inventory.json"
        file.write_bytes(there.inventory)
        await controller.ask("apply", "-f", str(file))
        yield Site(there, controller)


async def started(stack: AsyncExitStack, directory: Path, accelerated: str) -> Libvirtd:
    """Start a libvirt host in the networks of the lab. `directory`: not there yet."""
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
