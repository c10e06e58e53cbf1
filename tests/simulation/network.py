"""The line between controllers and appliances: messages take time, are lost, come late, or come again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Self, Unpack, cast

from causeway_controller.errors import AgentUnreachable
from causeway_controller.fleet.client import AgentClient
from causeway_controller.fleet.connection import ANSWER_SECONDS, Answer, Connection, Request, _content
from causeway_wire.routes import Route
from tests.simulation.appliance import Appliance, Message
from tests.simulation.loop import VirtualLoop


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Nothing passes between whom and an appliance for a while."""

    appliance: str
    until: float
    answers_only: bool
    """Requests arrive all the same."""


@dataclass(slots=True, kw_only=True)
class Conditions:
    """How bad the line is."""

    loss: float = 0.0
    """Share of messages that are lost, each way."""
    late: float = 0.0
    """Share of messages that come late, by `latest` seconds at most."""
    latest: float = 12.0
    again: float = 0.0
    """Share of requests that come once more later."""
    cuts: list[Cut] = field(default_factory=list)

    def heal(self) -> None:
        """Nothing is lost any more."""
        self.loss = self.late = self.again = 0.0
        self.cuts.clear()


@dataclass(eq=False)
class Network:
    """Carries messages; runs in no process, so that what was sent arrives whoever dies."""

    loop: VirtualLoop
    conditions: Conditions
    appliances: dict[str, Appliance]
    sent: int = 0
    before_sending: Callable[[str, str], None] = lambda _route, _appliance: None
    """Told the kind of each message, and whom it is for, before it is on its way."""
    lost: int = 0
    late: int = 0
    again: int = 0
    context: Context = field(default_factory=Context)

    def send(self, message: Message, line: Line, reply: asyncio.Future[Answer | None]) -> None:
        """Have the request arrive, or not, and its answer come back, or not."""
        draw, how = self.loop.random, self.conditions
        self.sent += 1
        self.before_sending(message.route.name, line.appliance)
        if self._loses(line, answer=False):
            return
        delays = [self._delay()]
        if draw.random() < how.again:
            self.again += 1
            delays.append(self._delay() + draw.uniform(0, how.latest))
        for number, delay in enumerate(delays):
            self.loop.call_later(
                delay, self._arrive, message, line, reply if number == 0 else None, context=self.context
            )

    def _arrive(self, message: Message, line: Line, reply: asyncio.Future[Answer | None] | None) -> None:
        if line.accepted is None:
            line.accepted = self.loop.time()
        accepted = line.accepted
        appliance = self.appliances[line.appliance]

        async def exchange() -> None:
            answer = await appliance.serve(message, accepted)
            if reply is None or self._loses(line, answer=True):
                return
            await asyncio.sleep(self._delay())
            if not reply.done():
                reply.set_result(answer)

        self.loop.spawn(exchange())

    def _loses(self, line: Line, *, answer: bool) -> bool:
        now, how = self.loop.time(), self.conditions
        cut = any(
            now < cut.until and cut.appliance == line.appliance and (answer or not cut.answers_only)
            for cut in how.cuts
        )
        lost = cut or self.loop.random.random() < how.loss
        self.lost += lost
        return lost

    def _delay(self) -> float:
        draw, how = self.loop.random, self.conditions
        if draw.random() < how.late:
            self.late += 1
            return draw.uniform(0, how.latest)
        return draw.uniform(0.002, 0.08)


class Line(Connection):
    """A controller's connection to an agent, without TLS; a broken one is opened again."""

    def __init__(self, network: Network, *, sender: str, appliance: str) -> None:
        self._network = network
        self.sender, self.appliance = sender, appliance
        self.accepted: float | None = None
        """When the agent accepted it; None until it has."""

    def another(self) -> Line:
        return Line(self._network, sender=self.sender, appliance=self.appliance)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.accepted = None

    async def call(self, route: Route, **request: Unpack[Request]) -> Answer:
        headers, data = _content(request)
        query = request.get("query", ())
        message = Message(
            route=route,
            parameters=request.get("parameters", {}),
            query=tuple(cast(Any, query.items() if isinstance(query, dict) else query)),
            headers={str(name): value for name, value in headers.items()},
            body=b"" if data is None else cast(Any, data).read(),
            sender=self.sender,
        )
        reply: asyncio.Future[Answer | None] = self._network.loop.create_future()
        self._network.send(message, self, reply)
        answer: Answer | None = None
        try:
            async with asyncio.timeout(request.get("patience", ANSWER_SECONDS)):
                answer = await reply
        except TimeoutError:
            pass
        finally:
            if answer is None:
                self.accepted = None
        if answer is None:
            raise AgentUnreachable(self.appliance, "the line", "no answer")
        self._check(route, answer)
        return answer


def client(network: Network, *, sender: str, appliance: str) -> AgentClient:
    """The real client of an agent, over such a line."""
    made = AgentClient(
        appliance=appliance,
        address=cast(Any, "192.0.2.1"),
        port=8443,
        context=cast(Any, None),
    )
    made._connection = Line(network, sender=sender, appliance=appliance)
    return made
