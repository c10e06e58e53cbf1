"""The operations of the API. They translate; decisions are the engine's."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from causeway_agent.api import parameters, paths
from causeway_agent.api.application import BODY_BYTES, RULES_BODY_BYTES, Call, Operation
from causeway_agent.api.peers import Peer
from causeway_agent.api.public_rules import RuleHandlers
from causeway_agent.api.updates import UPDATE_BYTES, UpdateHandlers
from causeway_agent.engine import journal, ports
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.service import Engine
from causeway_agent.engine.state import InForce
from causeway_agent.plan.filter import public_rules
from causeway_agent.web.message import Request, Response
from causeway_wire import codec, limits
from causeway_wire.change import Change, Fence
from causeway_wire.desired import Desired
from causeway_wire.identity import Certificate, CsrRequest
from causeway_wire.observed import Health, Limits, Versions
from causeway_wire.problem import ProblemError, ProblemType, problem

WAIT_SECONDS = 60
"""Longest time that an answer is waited with."""

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_ETAGS = re.compile(rf"[ \t]*(?:\*|{_ETAG.pattern}(?:[ \t]*,[ \t]*{_ETAG.pattern})*)[ \t]*")
"""RFC 9110, 13.1.1 and 8.8.3."""


def told_limits() -> Limits:
    """What `GET /v1` says of limits; the whole of a document's types is gone through for it."""
    return Limits(
        body_bytes=BODY_BYTES,
        changes_in_flight=1,
        changes_kept=journal.CHANGES_KEPT,
        wait_seconds=WAIT_SECONDS,
        rules_body_bytes=RULES_BODY_BYTES,
        rule_elements=public_rules.MAX_ELEMENTS,
        rule_targets=public_rules.MAX_TARGETS,
        rule_source_elements=public_rules.MAX_SOURCE_ELEMENTS,
        update_bytes=UPDATE_BYTES,
        lists=dict(limits.lists(Desired)),
        totals=dict(limits.TOTALS),
    )


class Handlers:
    """One method per route of the table."""

    def __init__(
        self, *, engine: Engine, identity: ports.Identity, versions: Callable[[], Awaitable[Versions]]
    ) -> None:
        """`versions`: asked each time that somebody asks for them."""
        self._engine = engine
        self._identity = identity
        self._versions = versions

    def operations(self) -> Mapping[str, Operation]:
        """Handlers by route name."""
        return {
            "versions": self.versions,
            "get_desired": self.get_desired,
            "put_desired": self.put_desired,
            "plan": self.plan,
            "observed": self.observed,
            "explain": self.explain,
            "change": self.change,
            "confirm": self.confirm,
            "cancel": self.cancel,
            "extend": self.extend,
            "fence": self.fence,
            "csr": self.csr,
            "put_certificate": self.put_certificate,
            "live": self.live,
            "ready": self.ready,
            "metrics": self.metrics,
            **RuleHandlers(self._engine).operations(),
            **UpdateHandlers(self._engine).operations(),
        }

    async def versions(self, _call: Call) -> Response:
        return _answer(await self._versions())

    async def get_desired(self, call: Call) -> Response:
        in_force = self._engine.state.in_force
        if in_force is None:
            detail = "send a document with PUT and If-None-Match: *"
            raise ProblemError(problem(ProblemType.NOT_CONFIGURED, detail))
        headers = {"ETag": in_force.etag}
        if in_force.etag in _tags(call.request, "If-None-Match"):
            return Response(status=304, headers=headers)
        body = codec.encode_masked(in_force.document)
        return Response(body=body, content_type="application/json", headers=headers)

    async def put_desired(self, call: Call) -> Response:
        self._engine.updates.refuse_on_trial(through_network=call.peer.connected is not None)
        preconditions = Preconditions(
            if_match=_tags(call.request, "If-Match"), if_none_match=_tags(call.request, "If-None-Match")
        )
        desired, query = call.document(Desired), call.request.query
        _refuse_own(desired, call.peer)
        change, _accepted = await self._engine.changes.submit(
            desired,
            requested_by=call.peer.name,
            preconditions=preconditions,
            confirm=parameters.confirm_seconds(query, "confirm"),
            escalate=parameters.flag(query, "escalate"),
        )
        return _answer(
            change,
            status=200 if change.final else 202,
            headers={"Location": f"/v1/changes/{change.id}", "ETag": InForce.of(desired).etag},
        )

    async def plan(self, call: Call) -> Response:
        _refuse_own(call.document(Desired), call.peer)
        return _answer(await self._engine.changes.dry_run(call.document(Desired)))

    async def observed(self, _call: Call) -> Response:
        return _answer(await self._engine.observed())

    async def explain(self, call: Call) -> Response:
        return _answer(await paths.explain(self._engine, call.request.query))

    async def change(self, call: Call) -> Response:
        name = call.request.match_info["id"]
        seconds = parameters.wait_seconds(call.request.query, limit=WAIT_SECONDS)
        found: Change | None = await self._engine.records.wait(name, seconds=seconds)
        if found is None:
            raise ProblemError(problem(ProblemType.NOT_FOUND, "no change of this id is kept"))
        return _answer(found)

    async def confirm(self, call: Call) -> Response:
        name, epoch = call.request.match_info["id"], parameters.epoch(call.request.query)
        connected = call.peer.connected
        decisions = self._engine.changes.decisions
        return _answer(await decisions.confirm(name, connected=connected, epoch=epoch))

    async def cancel(self, call: Call) -> Response:
        name, epoch = call.request.match_info["id"], parameters.epoch(call.request.query)
        change = await self._engine.changes.decisions.cancel(name, epoch=epoch)
        return _answer(change, status=200 if change.final else 202)

    async def extend(self, call: Call) -> Response:
        seconds = parameters.confirm_seconds(call.request.query, "seconds")
        if seconds is None:
            raise ProblemError(problem(ProblemType.INVALID, "say how many seconds from now: ?seconds=120"))
        name, epoch = call.request.match_info["id"], parameters.epoch(call.request.query)
        return _answer(await self._engine.changes.decisions.extend(name, seconds=seconds, epoch=epoch))

    async def fence(self, call: Call) -> Response:
        await self._engine.changes.fence.raise_to(call.document(Fence).epoch)
        return _answer(Fence(epoch=self._engine.state.epoch))

    async def csr(self, call: Call) -> Response:
        return _answer(await self._identity.request(call.document(CsrRequest)))

    async def put_certificate(self, call: Call) -> Response:
        self._engine.updates.refuse_on_trial(through_network=call.peer.connected is not None)
        await self._identity.install(call.document(Certificate))
        return Response(status=204)

    async def live(self, _call: Call) -> Response:
        return _answer(Health(healthy=True))

    async def ready(self, _call: Call) -> Response:
        health = self._engine.health()
        if not health.healthy:
            raise ProblemError(problem(ProblemType.UNAVAILABLE, health.reason or "not ready"))
        return _answer(health)

    async def metrics(self, _call: Call) -> Response:
        # Imported when first asked for: an appliance that nobody scrapes does without its memory.
        from causeway_agent.api import metrics  # noqa: PLC0415

        body = await metrics.render(self._engine)
        return Response(body=body, content_type=metrics.CONTENT_TYPE)


def _refuse_own(desired: Desired, peer: Peer) -> None:
    """Raises ProblemError where the document revokes the certificate that it is sent with: when nobody else
    could get in, nobody could ever take it back.
    """
    for index, serial in enumerate(desired.management.revoked or ()):
        if serial == peer.serial:
            detail = (
                f"{serial} is the certificate that {peer.name} sends this with; revoke it over another "
                "certificate, which is known to work then"
            )
            where = f"/management/revoked/{index}"
            raise ProblemError(problem(ProblemType.CUTS_MANAGEMENT, detail, pointer=where))


def _answer(document: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = codec.encode_masked(document)
    return Response(status=status, body=body, content_type="application/json", headers=headers or {})


def _tags(request: Request, header: str) -> tuple[str, ...]:
    """Entity tags of all such headers. A header that is no list of tags still counts: it matches nothing."""
    return tuple(tag for value in request.headers.getall(header) for tag in _listed(value))


def _listed(value: str) -> list[str]:
    if _ETAGS.fullmatch(value) is None:
        return ["malformed"]
    return _ETAG.findall(value) or ["*"]
