"""One appliance: its machine, the agent on it with its real engine and API, and the agent's deaths."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode

from multidict import CIMultiDict

from causeway_agent.api import application, handlers
from causeway_agent.api.application import Application
from causeway_agent.api.peers import Peer
from causeway_agent.engine import service
from causeway_agent.engine.service import Engine
from causeway_agent.web.fields import Fields
from causeway_agent.web.message import Request, Response
from causeway_controller.fleet.connection import Answer
from causeway_wire.desired import Desired
from causeway_wire.observed import Capabilities, Versions
from causeway_wire.problem import ProblemError
from causeway_wire.routes import Permission, Route
from causeway_wire.types import ChangeId
from tests.fakes.fuse import Crash
from tests.fakes.identity import FakeIdentity
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.machines import Hardware, Segment

RESTART_SECONDS: Final = (0.2, 6.0)
"""Until the agent of a machine that is on is there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request on its way, as octets and text."""

    route: Route
    parameters: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    sender: str


class Watching(Protocol):
    """Who is told what an agent did."""

    def arrived(self, appliance: Appliance, message: Message) -> object:
        """Hear of a request before the agent does; what is returned comes back with the answer."""

    def answered(self, appliance: Appliance, message: Message, before: Any, answer: Answer) -> None:
        """Hear of what the agent said to it."""

    def booted(self, appliance: Appliance) -> None:
        """Hear that an agent is up again."""

    def died(self, appliance: Appliance, why: str) -> None:
        """Hear that it is gone, before what is in memory is."""

    def changed(self, appliance: Appliance) -> None:
        """Hear that its machine's routes or claims are others."""

    def defect(self, what: str) -> None:
        """Hear of what must never happen to any program."""


class _Transport(asyncio.BaseTransport):
    """The connection a request came over."""

    def __init__(self, sender: str, accepted: float) -> None:
        super().__init__()
        self.sender, self.accepted = sender, accepted


@dataclass(eq=False)
class Appliance:
    """Powered on or off; while it is on an agent runs, or will again."""

    loop: VirtualLoop
    document: Desired
    segment: Segment
    watching: Watching
    on: bool = False
    engine: Engine | None = None
    lives: int = 0
    _application: Application | None = None
    _process: Process | None = None
    _booting: bool = False
    _gone: asyncio.Future[None] = field(init=False)
    hardware: Hardware = field(init=False)

    def __post_init__(self) -> None:
        self.hardware = machine = Hardware(self.loop, self.document, self.segment)
        machine.kernel.changed = lambda: self.watching.changed(self)
        machine.processes.changed = lambda: self.watching.changed(self)
        machine.fuse.on_blow = self._die_soon
        machine.dead_man.act = self._roll_back

    @property
    def name(self) -> str:
        return self.document.appliance

    @property
    def up(self) -> bool:
        """Whether its API answers."""
        return self._application is not None

    def power(self, *, on: bool) -> None:
        """Switch it on or off, as a hypervisor does."""
        if on == self.on:
            return
        if not on:
            self.die("powered off")
            self.on = False
            self.hardware.lose_power()
            self.watching.changed(self)
            return
        self.on = True
        self._start(self.loop.random.uniform(1.0, 5.0))

    def die(self, why: str, *, power: bool = False) -> None:
        """End the agent's process at this instant; with `power` the machine's memory, too."""
        if self._process is not None:
            self._process.alive = False
            self.watching.died(self, why)
            self._gone.set_result(None)
        self._process = self._application = self.engine = None
        self.hardware.fuse.blow()
        if power:
            self.hardware.lose_power()
            self.watching.changed(self)
        if self.on:
            self._start(self.loop.random.uniform(*RESTART_SECONDS) + (3.0 if power else 0.0))

    def _die_soon(self) -> None:
        self.loop.call_soon(self.die, "at an effect", context=Context())

    def _start(self, after: float) -> None:
        if not self._booting:
            self._booting = True
            self.loop.call_later(after, self._boot, context=Context())

    def _boot(self) -> None:
        self._booting = False
        if not self.on or self._process is not None:
            return
        self.lives += 1
        self._process = process = Process(f"{self.name}#{self.lives}")
        self._gone = self.loop.create_future()
        self.hardware.fuse.mend()
        self.loop.spawn(self._live(process), process)

    async def _live(self, process: Process) -> None:
        engine = self.hardware.engine()
        try:
            async with service.running(engine):
                if self._process is not process:
                    return
                operations = handlers.Handlers(
                    engine=engine, identity=FakeIdentity(), versions=lambda: _versions(self.name)
                ).operations()
                self.engine = engine
                self._application = application.create(operations, resolver=_peer)
                self.watching.booted(self)
                await self.loop.create_future()
        except Crash:
            pass
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever else ended it is a defect
            if not _only_crashes(error):
                self.watching.defect(f"the agent of {self.name} ended: {error!r}")

    async def serve(self, message: Message, accepted: float) -> Answer | None:
        """The answer to a request; None where the connection breaks. Runs in the agent's process."""
        process, app = self._process, self._application
        if process is None or app is None:
            return None
        before = self.watching.arrived(self, message)
        task = self.loop.create_task(self._respond(app, message, accepted), context=process.context())
        either: list[asyncio.Future[Any]] = [task, self._gone]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() or self._process is not process or task.exception() is not None:
            return None
        answer = task.result()
        self.watching.answered(self, message, before, answer)
        return answer

    async def _respond(self, app: Application, message: Message, accepted: float) -> Answer:
        pieces = [message.body, b""]

        async def receive() -> bytes:
            return pieces.pop(0)

        path = message.route.path.format(**message.parameters)
        request = Request(
            method=message.route.method,
            path=path,
            segments=tuple(path.removeprefix("/").split("/")),
            query=Fields(parse_qsl(urlencode(message.query), keep_blank_values=True)),
            headers=Fields(message.headers.items(), fold=str.lower),
            transport=_Transport(message.sender, accepted),
            receive=receive,
        )
        return _answer(await app.answer(request))

    def _roll_back(self, change: ChangeId) -> None:
        """What the one outside the agent does: ask it, or do what its start does."""
        if self.engine is None or self._process is None:
            self._start(0.0)
            return
        decisions = self.engine.changes.decisions

        async def ask() -> None:
            with contextlib.suppress(ProblemError):
                await decisions.cancel(change, epoch=None)

        self.loop.spawn(ask(), self._process)


def _peer(request: Request) -> Peer:
    transport = request.transport
    assert isinstance(transport, _Transport)
    return Peer(transport.sender, Permission.APPLY, connected=transport.accepted)


def _answer(response: Response) -> Answer:
    headers = CIMultiDict(response.headers)
    return Answer(response.status, response.content_type or "", headers, response.body)


def _only_crashes(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_only_crashes, error.exceptions))
    return isinstance(error, Crash)


async def _versions(name: str) -> Versions:
    return Versions(
        appliance=name,
        agent="0.0.0",
        api=("v1",),
        capabilities=Capabilities(
            kernel="6", vlan_8021q=False, wireguard=False, openvpn_dco=False, vrf=False, unprivileged_vpn=True
        ),
        limits=handlers.told_limits(),
    )
