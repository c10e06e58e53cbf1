"""The world as a controller reaches it: agents and a hypervisor at the other end of a socket."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from causeway_controller.errors import AgentUnreachable
from causeway_controller.failover.steps import Call
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.hypervisors.base import Machine
from causeway_wire import codec
from causeway_wire.change import Change, Fence
from causeway_wire.desired import Desired
from causeway_wire.observed import Health, Observed
from causeway_wire.problem import Problem, ProblemError
from causeway_wire.public_rules import PublicRules, PublicRulesPatch, PublicRulesReport
from causeway_wire.update import Activation, UpdateStatus
from tests.controller_crash.world import OWNER, RUN, SILENT, STAGE

T = TypeVar("T")

HOST: ContextVar[str] = ContextVar("host")
CURRENT_RUN: ContextVar[str] = ContextVar("run", default="-")
CURRENT_STAGE: ContextVar[str] = ContextVar("stage", default="-")


class Wire:
    """One controller's way to the world."""

    def __init__(self, socket: Path, owner: str) -> None:
        connector = aiohttp.UnixConnector(str(socket), limit=200)
        self.session = aiohttp.ClientSession(connector=connector, base_url="http://world")
        self._owner = owner

    async def post(self, path: str, body: bytes = b"", **query: Any) -> bytes:
        """The answer; raises ProblemError."""
        headers = {OWNER: self._owner, RUN: CURRENT_RUN.get(), STAGE: CURRENT_STAGE.get()}
        said = {name: str(value) for name, value in query.items() if value is not None}
        try:
            async with self.session.post(path, data=body, params=said, headers=headers) as answer:
                read = await answer.read()
        except aiohttp.ClientError as error:
            raise AgentUnreachable(path, "the world", str(error)) from error
        if answer.status == SILENT:
            raise AgentUnreachable(path, "the world", "it boots")
        if answer.status >= 400:
            raise ProblemError(codec.decode(read, Problem))
        return read


class RemoteAgent:
    """An appliance's agent."""

    def __init__(self, wire: Wire, appliance: str) -> None:
        self.appliance = appliance
        self._wire = wire
        self._place = f"/agent/{HOST.get()}/{appliance}"

    async def apply(
        self,
        document: Desired,
        *,
        timeout: float,  # noqa: ASYNC109 - as the Protocol
        confirm: int | None = None,
        escalate: bool = False,
    ) -> Change:
        more = {"escalate": True} if escalate else {}
        body = codec.encode(document)
        return await self._call("apply", Change, body, timeout=timeout, confirm=confirm, **more)

    async def change(self, identifier: str, *, wait: int | None = None) -> Change:
        return await self._call("change", Change, id=identifier)

    async def confirm(self, identifier: str, *, epoch: int) -> Change:
        return await self._call("confirm", Change, id=identifier, epoch=epoch)

    async def cancel(self, identifier: str, *, epoch: int) -> Change:
        return await self._call("cancel", Change, id=identifier, epoch=epoch)

    async def extend(self, identifier: str, *, seconds: int, epoch: int) -> Change:
        return await self._call("extend", Change, id=identifier, seconds=seconds, epoch=epoch)

    async def fence(self, epoch: int) -> Fence:
        return await self._call("fence", Fence, epoch=epoch)

    async def get_rules(self) -> PublicRules:
        return await self._call("get_rules", PublicRules)

    async def patch_rules(self, patch: PublicRulesPatch) -> PublicRulesReport:
        return await self._call("patch_rules", PublicRulesReport, codec.encode(patch))

    async def observed(self) -> Observed:
        return await self._call("observed", Observed)

    async def live(self) -> Health:
        return await self._call("live", Health)

    async def get_update(self) -> UpdateStatus:
        return await self._call("get_update", UpdateStatus)

    async def put_update(self, file: UpdateFile, *, allow_older: bool = False) -> UpdateStatus:
        return await self._call("put_update", UpdateStatus, build=file.build)

    async def activate_update(self, wanted: Activation) -> UpdateStatus:
        return await self._call("activate_update", UpdateStatus, build=wanted.build)

    async def _call(self, method: str, kind: type[T], body: bytes = b"", **query: Any) -> T:
        return codec.decode(await self._wire.post(f"{self._place}/{method}", body, **query), kind)


class RemoteHypervisor:
    """The machines of one host."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._host = HOST.get()

    async def find(self, owner_id: str) -> Machine | None:
        found = codec.decode(await self._wire.post(f"/find/{self._host}", name=owner_id), dict)["on"]
        return None if found is None else Machine(owner_id=owner_id, name=owner_id, powered_on=found)

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        await self._wire.post(f"/power/{self._host}", name=owner_id, on=on)


class RemoteHooks:
    """The provider's hooks."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def known(self, hook: str) -> bool:
        return bool(hook)

    async def call(self, call: Call, run: str) -> None:
        await self._wire.post("/hook", key=f"{run}/{call.moment.value}")
