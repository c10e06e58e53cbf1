"""The lines of a lab: one before each tenant's router, clear until told otherwise."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

from causeway_lab.world import namespaces
from causeway_lab.world.line.conditions import Conditions
from causeway_lab.world.line.forwarder import Report
from causeway_lab.world.line.line import Line
from causeway_lab.world.topology import Topology
from causeway_wire.types import IPAddress, TenantId

_FIRST_HOST = 121


class Lines:
    """Every tenant's line, by the tenant's name. Methods raise KeyError for a tenant the lab has not."""

    def __init__(self, topology: Topology, directory: Path) -> None:
        self._lines = {
            tenant: _line(topology, router, directory, index)
            for index, (tenant, router) in enumerate(topology.routers.items())
        }

    def conditions(self, tenant: TenantId) -> Conditions:
        """What the tenant's line is like now."""
        return self._lines[tenant].conditions

    def means(self, tenant: TenantId) -> str:
        """What makes the tenant's line so."""
        return self._lines[tenant].means

    async def change(self, tenant: TenantId, conditions: Conditions) -> None:
        """Make the tenant's line so. Raises ConditionError or WiringError."""
        await asyncio.to_thread(self._lines[tenant].change, conditions)

    async def rebind(self, tenant: TenantId) -> None:
        """Give every flow of the tenant another outer port. Raises WiringError."""
        await asyncio.to_thread(self._lines[tenant].rebind)

    async def report(self, tenant: TenantId) -> Report:
        """What became of packets so far. Raises WiringError."""
        return await asyncio.to_thread(self._lines[tenant].report)

    def close(self) -> None:
        """Take every line out of the way."""
        for line in self._lines.values():
            line.close()


def _line(topology: Topology, router: str, directory: Path, index: int) -> Line:
    """Before the router's last adapter, with addresses of its own on that segment."""
    outside = topology.machines[router].ports[-1]
    return Line(
        namespace=namespaces.FABRIC,
        port=namespaces.outlet(outside.mac),
        bridge=namespaces.bridge(outside.segment, topology.segments),
        directory=directory,
        addresses=tuple(_address(one.network, index) for one in outside.addresses),
    )


def _address(network: ipaddress.IPv4Network | ipaddress.IPv6Network, index: int) -> IPAddress:
    return network.network_address + _FIRST_HOST + index
