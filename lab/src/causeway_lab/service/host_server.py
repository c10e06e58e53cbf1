"""The lab's host as a controller sees it from outside: appliances and replicas behind one Unix socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import msgspec
from aiohttp import web

from causeway_controller import files
from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.hypervisors.base import (
    FoundVm,
    HypervisorError,
    MachineSpec,
    NicSpec,
    PowerControl,
    Provider,
    unwatched,
)
from causeway_lab.service.host_messages import Find, Inspect, List, Power, Said, Segment


@runtime_checkable
class Listing(Protocol):
    """Who knows all of its machines."""

    def listed(self) -> Sequence[FoundVm]:
        """Return them."""


class HostServer:
    """Serves a provider of appliances and the power of replicas. Use as an async context manager."""

    def __init__(self, appliances: Provider, replicas: PowerControl, socket: Path) -> None:
        self._appliances = appliances
        self._replicas = replicas
        self._socket = socket
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self._socket}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.post("/segment", _answering(Segment, self._segment)),
                web.post("/preflight", _answering(MachineSpec, self._preflight)),
                web.post("/inspect", _answering(Inspect, self._inspect)),
                web.post("/vms", _answering(List, self._vms)),
                web.post("/find", _answering(Find, self._find)),
                web.post("/deploy", _answering(MachineSpec, self._deploy)),
                web.post("/power", _answering(Power, self._power)),
                web.post("/destroy", _answering(Find, self._destroy)),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.UnixSite(self._runner, self._socket).start()
        self._socket.chmod(files.PRIVATE)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.unlink(missing_ok=True)

    def _of(self, owner_id: str) -> PowerControl:
        return self._replicas if "/" in owner_id else self._appliances

    async def _segment(self, asked: Segment) -> Said:
        return Said(segment=await self._appliances.segment(asked.switch, asked.vlan))

    async def _preflight(self, spec: MachineSpec) -> Said:
        return Said(reasons=tuple(await self._appliances.preflight(spec)))

    async def _inspect(self, asked: Inspect) -> Said:
        findings = [Finding(topic=Topic.IDENTITY, grade=Grade.GOOD, text="it is this machine")]
        wanted = list(asked.networks)
        for switch, vlan in asked.vlans:
            try:
                wanted.append(await self._appliances.segment(switch, vlan))
            except HypervisorError as error:
                findings.append(_lacking(str(error)))
        nics = tuple(NicSpec(mac="", segment=segment) for segment in wanted)
        machine = MachineSpec(owner_id="", name="", nics=nics, seed=b"")
        findings.extend(map(_lacking, await self._appliances.preflight(machine)))
        if len(findings) == 1:
            text = f"all {len(wanted)} segments are there, and all programs"
            findings.append(Finding(topic=Topic.NETWORKS, grade=Grade.GOOD, text=text))
        return Said(findings=tuple(findings), clock=datetime.now(tz=UTC))

    async def _vms(self, _: List) -> Said:
        there = (self._appliances, self._replicas)
        return Said(vms=tuple(vm for one in there if isinstance(one, Listing) for vm in one.listed()))

    async def _find(self, asked: Find) -> Said:
        return Said(machine=await self._of(asked.owner_id).find(asked.owner_id))

    async def _deploy(self, spec: MachineSpec) -> Said:
        return Said(machine=await self._appliances.deploy(spec, unwatched))

    async def _power(self, asked: Power) -> Said:
        await self._of(asked.owner_id).power(asked.owner_id, on=asked.on, grace=asked.grace)
        return Said()

    async def _destroy(self, asked: Find) -> Said:
        await self._appliances.destroy(asked.owner_id)
        return Said()


def _lacking(text: str) -> Finding:
    return Finding(
        topic=Topic.NETWORKS, grade=Grade.PROBLEM, text=text, advice="make the lab anew: `causeway lab up`"
    )


def _answering(
    kind: type[Any], verb: Callable[[Any], Awaitable[Said]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        try:
            said = await verb(msgspec.json.decode(await request.read(), type=kind))
        except HypervisorError as error:
            said = Said(error=str(error))
        return web.Response(body=msgspec.json.encode(said), content_type="application/json")

    return handler
