"""The lab's host for a controller that is another process: what `causeway.hypervisors` calls `lab`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import (
    FoundVm,
    HypervisorError,
    Inspection,
    Machine,
    MachineSpec,
    Progress,
)
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_lab.service.host_messages import Find, Inspect, List, Power, Said, Segment
from causeway_wire.types import Secret

SECONDS: Final = 60.0
"""For an answer: the host starts a machine before it answers."""


def open_host(host: Host, _login: Secret | None, _image: Path) -> LabHost:
    """Return the lab's host at this endpoint. Raises HypervisorError when it is no `unix://` URL."""
    parts = urlsplit(host.endpoint)
    if parts.scheme != "unix" or not parts.path:
        detail = "the lab says it when it starts, as unix:///PATH"
        raise HypervisorError(f"host {host.id} has no endpoint of a lab, {host.endpoint}; {detail}")
    return LabHost(host.id, parts.path)


class LabHost:
    """`hypervisors.base.Provider` of a lab that runs in another process."""

    def __init__(self, name: str, socket: str) -> None:
        self._name = name
        self._socket = socket

    async def segment(self, switch: str, vlan: int) -> str:
        """The segment of this VLAN."""
        said = await self._ask("segment", Segment(switch=switch, vlan=vlan))
        if said.segment is None:
            raise HypervisorError(f"{self._name} said nothing of VLAN {vlan} on switch {switch}")
        return said.segment

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed there; empty when it can."""
        return (await self._ask("preflight", spec)).reasons

    async def inspect(self, needs: HostNeeds) -> Inspection:
        """Compare the lab with what is needed of it: its segments, its programs, its clock."""
        said = await self._ask("inspect", Inspect(networks=needs.networks, vlans=needs.vlans))
        return Inspection(findings=said.findings, clock=said.clock)

    async def vms(self) -> Sequence[FoundVm]:
        """Its appliances and its VMs."""
        return (await self._ask("vms", List())).vms

    async def find(self, owner_id: str) -> Machine | None:
        """The machine with this owner id."""
        return (await self._ask("find", Find(owner_id=owner_id))).machine

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """Create the machine, powered off."""
        progress("deploying", 0.0)
        said = await self._ask("deploy", spec)
        if said.machine is None:
            raise HypervisorError(f"{self._name} said nothing of {spec.name}, which it was to deploy")
        progress("deployed", 1.0)
        return said.machine

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on or off."""
        await self._ask("power", Power(owner_id=owner_id, on=on, grace=grace))

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove."""
        await self._ask("destroy", Find(owner_id=owner_id))

    async def _ask(self, verb: str, asked: object) -> Said:
        """Raises HypervisorError when the host refuses or is not there."""
        connector = aiohttp.UnixConnector(path=self._socket)
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.post(f"http://lab/{verb}", data=msgspec.json.encode(asked)) as answer,
            ):
                said = msgspec.json.decode(await answer.read(), type=Said)
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
            reason = str(error) or type(error).__name__
            raise HypervisorError(f"host {self._name} does not answer: {reason}; is its lab up?") from error
        if said.error is not None:
            raise HypervisorError(said.error)
        return said
