"""The lab's appliances: deployed and powered on through the hypervisor, enrolled, reachable by clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from causeway_controller.fleet import client, enrolment
from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import (
    HypervisorError,
    MachineSpec,
    NicSpec,
    Progress,
    Provider,
    unwatched,
)
from causeway_controller.inventory.tenancy import Adapter, ManagementAccess
from causeway_controller.trust.identity import make_office
from causeway_controller.workflows.appliances import TOKEN_LIFE, Wanted, seed_of
from causeway_lab.assembly import credentials
from causeway_lab.qemu.provider import QemuProvider
from causeway_lab.world import namespaces, pace
from causeway_lab.world.pace import Pace
from causeway_lab.world.steps import Listener, Step, ignore, step
from causeway_lab.world.topology import Topology
from causeway_wire.types import ApplianceId, Secret

POWER_OFF_GRACE = 3.0
_KNOCK_SECONDS, _KNOCK_PAUSE = 2.0, 0.1
_LAST_WORDS = 12
_NEWS_SECONDS = 15.0
"""Between two words on a machine that boots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """An appliance's management, and the machine that its controller's connections start from."""

    id: ApplianceId
    management: ManagementAccess
    adapters: tuple[Adapter, ...]
    controller: str
    token: Secret


class Appliances:
    """All appliances of a topology, and one open client for each once enrolled."""

    def __init__(
        self, topology: Topology, hypervisor: Provider, directory: Path, *, speed: Pace = pace.PROCESSES
    ) -> None:
        self._topology = topology
        self._hypervisor = hypervisor
        self._pace = speed
        self._turn = asyncio.Semaphore(speed.at_once)
        self._boots = asyncio.Semaphore(speed.boots_at_once)
        self._clients = contextlib.AsyncExitStack()
        self._agents: dict[ApplianceId, client.AgentClient] = {}
        self._items = {
            name: Appliance(
                id=name,
                management=management,
                adapters=adapters,
                controller=controller,
                token=enrolment.make_token(),
            )
            for name, management, adapters, controller in topology.appliances()
        }
        controllers = {item.controller for item in self._items.values()}
        self._offices = {
            name: make_office(name, directory, now=credentials.now()) for name in sorted(controllers)
        }

    @property
    def agents(self) -> Mapping[ApplianceId, client.AgentClient]:
        """The client of every enrolled appliance."""
        return self._agents

    async def deploy(self, progress: Progress = unwatched) -> None:
        """Create all machines, powered off. Raises HypervisorError."""
        for item in self._items.values():
            await self._hypervisor.deploy(self._spec(item), progress)

    async def power_on(self, listener: Listener = ignore) -> Mapping[ApplianceId, float]:
        """Start every agent; seconds from power until its port was open. Raises HypervisorError."""
        seconds = await asyncio.gather(*(self._power_on(item, listener) for item in self._items.values()))
        return dict(zip(self._items, seconds, strict=True))

    async def enrol(self) -> None:
        """First certificate for every agent, and an open client."""
        await asyncio.gather(*(self._enrol(item) for item in self._items.values()))

    async def down(self) -> None:
        """Close the clients and remove every machine."""
        await self._clients.aclose()
        self._agents.clear()
        await asyncio.gather(*(self._hypervisor.destroy(name) for name in self._items))

    async def _power_on(self, item: Appliance, listener: Listener) -> float:
        name = f"boot {item.id}"
        async with self._boots:
            began = told = time.monotonic()
            with step(name, listener):
                await self._hypervisor.power(item.id, on=True, grace=0.0)
                while not await _open(item):
                    now = time.monotonic()
                    await self._still_boots(item, now - began)
                    if now - told >= _NEWS_SECONDS:
                        said = self._last_words(item, 1).splitlines()[-1]
                        listener(Step(name=name, at=f"{now - began:.0f} s; {said}"))
                        told = now
                    await asyncio.sleep(_KNOCK_PAUSE)
            return time.monotonic() - began

    async def _still_boots(self, item: Appliance, seconds: float) -> None:
        """Raises HypervisorError when it ended, or when its time is over."""
        found = await self._hypervisor.find(item.id)
        if found is None or not found.powered_on:
            said = f"{item.id} went off while it booted"
        elif seconds >= self._pace.boot:
            said = f"the agent of {item.id} did not listen in {self._pace.boot:.0f} s"
        else:
            return
        raise HypervisorError(f"{said}; {self._last_words(item, _LAST_WORDS)}")

    def _last_words(self, item: Appliance, lines: int) -> str:
        """The end of what the machine's console said, where it has one."""
        if not isinstance(self._hypervisor, QemuProvider):
            return "it has no console"
        return self._hypervisor.last_words(item.id, lines=lines)

    async def _enrol(self, item: Appliance) -> None:
        office = self._offices[item.controller]
        async with self._turn:
            await enrolment.enrol(
                appliance=item.id,
                address=item.management.address,
                port=item.management.port,
                token=item.token,
                identity=office.identity,
                authority=office.authority,
                now=credentials.now(),
                socket_factory=namespaces.socket_in(item.controller),
                patience=self._pace.answers,
            )
        agent = client.open_agent(
            appliance=item.id,
            address=item.management.address,
            port=item.management.port,
            identity=office.identity,
            socket_factory=namespaces.socket_in(item.controller),
            patience=self._pace.answers,
        )
        self._agents[item.id] = await self._clients.enter_async_context(agent)

    def _spec(self, item: Appliance) -> MachineSpec:
        ports = self._topology.machines[item.id].ports
        return MachineSpec(
            owner_id=item.id,
            name=item.id,
            nics=tuple(NicSpec(mac=port.mac, segment=port.segment) for port in ports),
            seed=self._seed(item),
        )

    def _seed(self, item: Appliance) -> bytes:
        wanted = Wanted(
            id=item.id,
            role=self._topology.role(item.id),
            management=item.management,
            adapters=item.adapters,
            vnics=(),
        )
        expires = credentials.now() + TOKEN_LIFE
        authority = self._offices[item.controller].authority.pem
        return seed_image.encode(seed_of(wanted, authority, item.token, expires=expires))


async def _open(item: Appliance) -> bool:
    """Whether the agent's port takes a connection: until the agent is ready its packet filter drops all."""
    access = item.management
    family = socket.AF_INET if access.address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with namespaces.open_socket(item.controller, family, socket.SOCK_STREAM) as knock:
        try:
            async with asyncio.timeout(_KNOCK_SECONDS):
                await asyncio.get_running_loop().sock_connect(knock, (str(access.address), access.port))
        except OSError:
            return False
        return True
