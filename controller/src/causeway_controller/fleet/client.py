"""Typed client of one agent: one method per route of `causeway_wire.routes`, named like it.

Answers become documents, refusals become `ProblemError`, silence becomes `AgentUnreachable`.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar, Unpack

from aiohttp import hdrs
from yarl import URL

from causeway_controller.errors import AgentUnreachable, ChangeFailed, ChangePending, WrongPeer
from causeway_controller.fleet import tls
from causeway_controller.fleet.connection import ANSWER_SECONDS, Answer, Connection, Request, SocketFactory
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.inventory.health import Shown
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire import problem, routes
from causeway_wire.change import Change, ChangeState, Fence, PlanReport
from causeway_wire.desired import Desired
from causeway_wire.explanation import PacketPath
from causeway_wire.identity import Certificate, Csr, CsrRequest
from causeway_wire.observed import Health, Observed, Versions
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.public_rules import (
    PublicRules,
    PublicRulesPatch,
    PublicRulesReport,
    RuleCounters,
    RuleId,
)
from causeway_wire.types import ApplianceId, ChangeId, Epoch, IPAddress
from causeway_wire.update import Activation, UpdateStatus

T = TypeVar("T")

TABLE_SECONDS = 60.0
"""For the largest table of public rules over a slow line."""
UPDATE_SECONDS = 5400.0
"""For an update over a slow line, written to a slow disk and read back."""
WAIT_SECONDS = 25
"""Longest single long-poll of a change; agents publish their own limit in `Versions`."""
RETRY_SECONDS = 0.1


class AgentClient:
    """The API of one agent. Use as an async context manager; not for several event loops."""

    def __init__(
        self,
        *,
        appliance: ApplianceId,
        address: IPAddress,
        port: int,
        context: ssl.SSLContext,
        socket_factory: SocketFactory | None = None,
        patience: float = 1.0,
        peer: tls.Peer | None = None,
    ) -> None:
        """`context` decides whom the client talks to, see `open_agent` and `fleet.enrolment`. `patience`: how
        many times longer than usual to wait for an answer. `peer`: whom a context expects that is for all.
        """
        self.appliance = appliance
        self._peer = peer
        self._connection = Connection(
            appliance=appliance,
            base=URL.build(scheme="https", host=str(address), port=port),
            context=context,
            socket_factory=socket_factory,
            patience=patience,
            expected=None if peer is None else peer.name,
        )
        self._etag: str | None = None

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    @property
    def shown(self) -> Shown | None:
        """The certificate that the appliance showed when it was met last."""
        return None if self._peer is None else self._peer.shown

    async def use(self, context: ssl.SSLContext) -> None:
        """Meet the appliance anew with the next request, by this context."""
        await self._connection.use(context)

    async def keep_none(self) -> None:
        """Keep no connection from now on: whoever holds it still makes one for each request."""
        await self._connection.keep_none()

    async def close(self) -> None:
        """Close it, also while others hold it: what they ask then fails."""
        await self._connection.__aexit__(None, None, None)

    async def etag(self) -> str | None:
        """ETag of the document in force, None before the first."""
        return await self._current_etag()

    async def versions(self) -> Versions:
        """Versions, capabilities and limits."""
        return await self._document(routes.VERSIONS, Versions)

    async def get_desired(self) -> Desired:
        """The document in force, secrets masked; raises ProblemError `not-configured` before the first."""
        answer = await self._call(routes.GET_DESIRED)
        self._etag = answer.headers.get(hdrs.ETAG)
        return answer.decode(Desired)

    async def put_desired(
        self, document: Desired, *, confirm: int | None = None, escalate: bool = False
    ) -> Change:
        """Replace the document and return the change to follow. With `confirm` it is taken back unless
        confirmed within this many seconds (1 to 3600) of being applied; `escalate` allows going from one
        failover mode directly to another.

        The generation and the epoch decide which document wins; the precondition only proves that we know of
        the one replaced. So it is read when it is not known, and read once more when it was outdated.
        """
        query = {} if confirm is None else {"confirm": str(confirm)}
        if escalate:
            query["escalate"] = "true"
        etag = self._etag or await self._current_etag()
        try:
            return await self._put(document, etag, query)
        except ProblemError as error:
            if error.problem.type != ProblemType.PRECONDITION_FAILED.urn:
                raise
        return await self._put(document, await self._current_etag(), query)

    async def plan(self, document: Desired) -> PlanReport:
        """Dry run: the operations that the document would cause now."""
        return await self._document(routes.PLAN, PlanReport, body=document)

    async def observed(self) -> Observed:
        """What the appliance is now."""
        return await self._document(routes.OBSERVED, Observed)

    async def explain(self, query: Mapping[str, str]) -> PacketPath:
        """The way of a packet: `source` and `destination`, and if wanted `kind`, `port`, `size`, `entry`."""
        return (await self._call(routes.EXPLAIN, query=query)).decode(PacketPath)

    async def change(self, identifier: ChangeId, *, wait: int | None = None) -> Change:
        """A change; with `wait` (whole seconds) answers when it is final, awaits its confirmation, or the
        time is over.
        """
        query = {} if wait is None else {"wait": str(wait)}
        answer = await self._call(
            routes.CHANGE, parameters={"id": identifier}, query=query, patience=ANSWER_SECONDS + (wait or 0)
        )
        return answer.decode(Change)

    async def confirm(self, identifier: ChangeId, *, epoch: Epoch) -> Change:
        """Put an awaiting change in force for good; repeating it is safe.

        Opens a connection of its own for that: only a new one proves that the applied network lets us in.
        Raises ProblemError `not-awaiting` when it is too late, `stale-epoch` when a newer workflow has taken
        over, AgentUnreachable when nobody lets us in.
        """
        async with self._connection.another() as fresh:
            query = {"epoch": str(epoch)}
            answer = await fresh.call(routes.CONFIRM, parameters={"id": identifier}, query=query)
        self._etag = None
        return answer.decode(Change)

    async def cancel(self, identifier: ChangeId, *, epoch: Epoch) -> Change:
        """Take an awaiting change back now; not final yet while the document before it is being restored."""
        query = {"epoch": str(epoch)}
        answer = await self._call(routes.CANCEL, parameters={"id": identifier}, query=query)
        self._etag = None
        return answer.decode(Change)

    async def extend(self, identifier: ChangeId, *, seconds: int, epoch: Epoch) -> Change:
        """Give an awaiting change a new deadline, this many seconds (1 to 3600) from now."""
        query = {"seconds": str(seconds), "epoch": str(epoch)}
        answer = await self._call(routes.EXTEND, parameters={"id": identifier}, query=query)
        return answer.decode(Change)

    async def fence(self, epoch: Epoch) -> Fence:
        """Shut out workflows of lower epochs; raises ProblemError `stale-epoch` when this one is."""
        return await self._document(routes.FENCE, Fence, body=Fence(epoch=epoch))

    async def get_rules(self) -> PublicRules:
        """The table of public rules."""
        return (await self._call(routes.GET_RULES, patience=TABLE_SECONDS)).decode(PublicRules)

    async def put_rules(self, table: PublicRules) -> PublicRulesReport:
        """Replace the table of public rules; sending the same again is free."""
        answer = await self._call(routes.PUT_RULES, body=table, patience=TABLE_SECONDS)
        return answer.decode(PublicRulesReport)

    async def patch_rules(self, patch: PublicRulesPatch) -> PublicRulesReport:
        """Change the table; raises ProblemError `stale-revision` when it is not at the base of the change."""
        answer = await self._call(routes.PATCH_RULES, body=patch, patience=TABLE_SECONDS)
        return answer.decode(PublicRulesReport)

    async def rule_counters(self, *rules: RuleId) -> RuleCounters:
        """What these rules let through, or all of them."""
        query = [("id", rule) for rule in rules]
        answer = await self._call(routes.RULE_COUNTERS, query=query, patience=TABLE_SECONDS)
        return answer.decode(RuleCounters)

    async def csr(self, request: CsrRequest) -> Csr:
        """A signing request for a key born on the appliance."""
        return await self._document(routes.CSR, Csr, body=request)

    async def put_certificate(self, certificate: Certificate) -> None:
        """Install the agent's certificate; new connections meet it at once."""
        await self._call(routes.PUT_CERTIFICATE, body=certificate)

    async def get_update(self) -> UpdateStatus:
        """Both slots of the system, and where an update stands."""
        return (await self._call(routes.GET_UPDATE, patience=TABLE_SECONDS)).decode(UpdateStatus)

    async def put_update(self, file: UpdateFile, *, allow_older: bool = False) -> UpdateStatus:
        """Write this file into the slot that does not run; nothing is started. See `updates.send`.

        `allow_older`: than the system that runs.
        """
        query = {"allow_older": "true"} if allow_older else {}
        answer = await self._call(routes.PUT_UPDATE, query=query, file=file, patience=UPDATE_SECONDS)
        return answer.decode(UpdateStatus)

    async def activate_update(self, wanted: Activation) -> UpdateStatus:
        """Restart into the other slot, on trial."""
        answer = await self._call(routes.ACTIVATE_UPDATE, body=wanted, patience=TABLE_SECONDS)
        return answer.decode(UpdateStatus)

    async def abandon_update(self) -> UpdateStatus:
        """Empty the slot that does not run."""
        return (await self._call(routes.ABANDON_UPDATE, patience=TABLE_SECONDS)).decode(UpdateStatus)

    async def live(self) -> Health:
        """Whether the agent answers."""
        return await self._document(routes.LIVE, Health)

    async def ready(self) -> Health:
        """Whether the appliance conforms to its document; raises ProblemError `unavailable` when not."""
        return await self._document(routes.READY, Health)

    async def metrics(self) -> str:
        """Prometheus text exposition."""
        return (await self._call(routes.METRICS)).body.decode()

    async def apply(
        self,
        document: Desired,
        *,
        timeout: float,  # noqa: ASYNC109 - names the outcome
        confirm: int | None = None,
        escalate: bool = False,
    ) -> Change:
        """Put the document and wait until it is in force; silence in between is waited out.

        With `confirm` (seconds, see `put_desired`) wait until it is applied and awaits its confirmation: the
        change returned is for `confirm` or `cancel`. It is `done` already where the document was in force.

        Raises ProblemError when it is not accepted, ChangeFailed when it is undone, ChangePending or
        AgentUnreachable when `timeout` (seconds) is over. Sending the same document again is always safe:
        what was taken back meanwhile is refused (`stale-generation`).
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    return await self._apply_once(document, deadline, confirm=confirm, escalate=escalate)
            except TimeoutError:
                raise ChangePending(self.appliance, document.generation, timeout) from None
            except WrongPeer:
                raise
            except AgentUnreachable:
                if time.monotonic() + RETRY_SECONDS >= deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def _apply_once(
        self, document: Desired, deadline: float, *, confirm: int | None, escalate: bool
    ) -> Change:
        try:
            change = await self.put_desired(document, confirm=confirm, escalate=escalate)
        except ProblemError as error:
            running = error.problem.change
            if error.problem.type != ProblemType.CHANGE_IN_FLIGHT.urn or not isinstance(running, str):
                raise
            await self._resting(running, deadline)
            change = await self.put_desired(document, confirm=confirm, escalate=escalate)
        change = change if change.resting else await self._resting(change.id, deadline)
        if change.state is ChangeState.DONE or (change.state is ChangeState.AWAITING and confirm is not None):
            return change
        self._etag = None
        if change.state is ChangeState.AWAITING:
            detail = f"{self.appliance}: change {change.id} brought it already; confirm it or cancel it"
            raise ProblemError(problem.problem(ProblemType.AWAITING_CONFIRMATION, detail, change=change.id))
        raise ChangeFailed(self.appliance, change)

    async def _resting(self, identifier: ChangeId, deadline: float) -> Change:
        """Long-poll until the change is final or awaits confirmation; bounded by the caller's deadline."""
        while True:
            wait = min(WAIT_SECONDS, math.ceil(max(deadline - time.monotonic(), 0)))
            change = await self.change(identifier, wait=wait)
            if change.resting:
                return change

    async def _current_etag(self) -> str | None:
        """ETag of the document in force, None before the first."""
        try:
            await self.get_desired()
        except ProblemError as error:
            if error.problem.type != ProblemType.NOT_CONFIGURED.urn:
                raise
            self._etag = None
        return self._etag

    async def _put(self, document: Desired, etag: str | None, query: Mapping[str, str]) -> Change:
        condition = {hdrs.IF_NONE_MATCH: "*"} if etag is None else {hdrs.IF_MATCH: etag}
        answer = await self._call(routes.PUT_DESIRED, body=document, headers=condition, query=query)
        self._etag = answer.headers.get(hdrs.ETAG)
        return answer.decode(Change)

    async def _document(self, route: routes.Route, kind: type[T], *, body: object = None) -> T:
        return (await self._call(route, body=body)).decode(kind)

    async def _call(self, route: routes.Route, **request: Unpack[Request]) -> Answer:
        """One request. After silence nothing is known of the document in force any more."""
        try:
            return await self._connection.call(route, **request)
        except AgentUnreachable:
            self._etag = None
            raise


def open_agent(
    *,
    appliance: ApplianceId,
    address: IPAddress,
    port: int,
    identity: ControllerIdentity,
    socket_factory: SocketFactory | None = None,
    patience: float = 1.0,
    context: ssl.SSLContext | None = None,
) -> AgentClient:
    """The client of an enrolled agent: talks to this appliance and to nobody else.

    `context`: of this identity, made before (`tls.agents_context`).
    """
    return AgentClient(
        appliance=appliance,
        address=address,
        port=port,
        context=context or tls.agents_context(identity),
        socket_factory=socket_factory,
        patience=patience,
        peer=tls.Peer(appliance),
    )
