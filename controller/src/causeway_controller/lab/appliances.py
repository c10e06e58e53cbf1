"""The lab's appliances: deployed and powered on through the hypervisor, enrolled, reachable by clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from causeway_controller import seed
from causeway_controller.failover.inventory import Adapter, ManagementAccess
from causeway_controller.fleet import client, enrolment
from causeway_controller.hypervisors.base import MachineSpec, NicSpec, Progress
from causeway_controller.hypervisors.lab import LabProvider
from causeway_controller.lab import credentials, namespaces
from causeway_controller.lab.topology import Topology
from causeway_wire.desired import Management, Nic
from causeway_wire.seed import Enrolment, Seed
from causeway_wire.types import ApplianceId, Secret

POWER_OFF_GRACE = 3.0
TOKEN_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """An appliance's management, and the machine that its controller's connections start from."""

    id: ApplianceId
    management: ManagementAccess
    adapters: tuple[Adapter, ...]
    controller: str
    token: Secret


def _silent(_phrase: str, _fraction: float) -> None:
    """Progress nobody watches."""


class Appliances:
    """All appliances of a topology, and one open client for each once enrolled."""

    def __init__(self, topology: Topology, hypervisor: LabProvider, directory: Path) -> None:
        self._topology = topology
        self._hypervisor = hypervisor
        self._clients = contextlib.AsyncExitStack()
        self._agents: dict[ApplianceId, client.AgentClient] = {}
        self._items = {
            name: Appliance(
                id=name,
                management=management,
                adapters=adapters,
                controller=controller,
                token=credentials.make_token(),
            )
            for name, management, adapters, controller in topology.appliances()
        }
        controllers = {item.controller for item in self._items.values()}
        self._offices = {name: credentials.make_office(name, directory) for name in sorted(controllers)}

    @property
    def agents(self) -> Mapping[ApplianceId, client.AgentClient]:
        """The client of every enrolled appliance."""
        return self._agents

    @property
    def hypervisor(self) -> LabProvider:
        """The provider that powers them."""
        return self._hypervisor

    async def deploy(self, progress: Progress = _silent) -> None:
        """Create all machines, powered off. Raises HypervisorError."""
        for item in self._items.values():
            await self._hypervisor.deploy(self._spec(item), progress)

    async def power_on(self) -> None:
        """Start every agent. Raises HypervisorError."""
        await asyncio.gather(*(self._hypervisor.power(name, on=True, grace=0.0) for name in self._items))

    async def enrol(self) -> None:
        """First certificate for every agent, and an open client."""
        await asyncio.gather(*(self._enrol(item) for item in self._items.values()))

    async def down(self) -> None:
        """Close the clients and remove every machine."""
        await self._clients.aclose()
        self._agents.clear()
        await asyncio.gather(*(self._hypervisor.destroy(name) for name in self._items))

    async def _enrol(self, item: Appliance) -> None:
        office = self._offices[item.controller]
        await enrolment.enrol(
            appliance=item.id,
            address=item.management.address,
            port=item.management.port,
            token=item.token,
            identity=office.identity,
            authority=office.authority,
            now=credentials.now(),
            socket_factory=namespaces.socket_in(item.controller),
        )
        agent = client.open_agent(
            appliance=item.id,
            address=item.management.address,
            port=item.management.port,
            identity=office.identity,
            socket_factory=namespaces.socket_in(item.controller),
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
        access = item.management
        management = Management(
            nic=access.nic, address=access.address, sources=access.sources, port=access.port
        )
        nics = tuple(
            Nic(name=one.name, mac=one.mac, addresses=one.addresses, gateways=one.gateways)
            for one in item.adapters
            if one.name == access.nic
        )
        return seed.encode(
            Seed(
                version=1,
                appliance=item.id,
                role=self._topology.role(item.id),
                management=management,
                nics=nics,
                controller_ca=self._offices[item.controller].authority.pem,
                enrolment=Enrolment(token=item.token, expires=credentials.now() + TOKEN_LIFE),
            )
        )
