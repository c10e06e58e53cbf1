"""The operations of updates. The file is passed on as it comes: no more of it is here than a few chunks."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from causeway_agent.api import application, parameters
from causeway_agent.api.application import Call, Operation
from causeway_agent.engine.service import Engine
from causeway_agent.web.message import Request, Response
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import Activation, UpdateStatus

UPDATE_BYTES = 512 * 1024 * 1024
CHUNK_SECONDS = 20.0
"""For something more of an update to arrive."""
UPDATE_SECONDS = 3600.0
"""For all of it."""
MEDIA_TYPE = "application/octet-stream"

_DIGEST = re.compile(r"sha-256=:(?P<digest>[A-Za-z0-9+/]{43}=):", re.ASCII)
"""RFC 9530, 2, with the one algorithm that is understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What the headers say of the file that follows."""

    octets: int
    sha256: str


class UpdateHandlers:
    """One method per route of updates."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def operations(self) -> Mapping[str, Operation]:
        """Handlers by route name."""
        return {
            "get_update": self.get,
            "put_update": self.put,
            "activate_update": self.activate,
            "abandon_update": self.abandon,
        }

    async def get(self, call: Call) -> Response:
        # Who comes by the machine's own socket proves no way in.
        self._engine.updates.asked |= call.peer.connected is not None
        return _answer(await self._engine.updates.status())

    async def put(self, call: Call) -> Response:
        told = announced(call.request)
        allow_older = parameters.flag(call.request.query, "allow_older")
        status = await self._engine.updates.receive(
            _chunks(call.request), octets=told.octets, sha256=told.sha256, allow_older=allow_older
        )
        return _answer(status)

    async def activate(self, call: Call) -> Response:
        return _answer(await self._engine.updates.activate(call.document(Activation)), code=202)

    async def abandon(self, _call: Call) -> Response:
        return _answer(await self._engine.updates.abandon())


def announced(request: Request) -> Announced:
    """What follows, if it may; raises ProblemError."""
    application.expect(request, MEDIA_TYPE)
    match = _DIGEST.fullmatch(request.headers.get("Content-Digest", ""))
    if match is None:
        detail = "say what the file must be: Content-Digest: sha-256=:BASE64: (RFC 9530)"
        raise ProblemError(problem(ProblemType.INVALID, detail))
    octets = request.content_length
    if not octets:
        raise ProblemError(problem(ProblemType.INVALID, "say how large the file is: Content-Length"))
    if octets > UPDATE_BYTES:
        raise ProblemError(problem(ProblemType.TOO_LARGE, f"the limit update_bytes is {UPDATE_BYTES} octets"))
    return Announced(octets=octets, sha256=base64.b64decode(match["digest"]).hex())


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop()
    until = clock.time() + UPDATE_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(min(until, clock.time() + CHUNK_SECONDS)):
                chunk = await request.receive()
        except TimeoutError as error:
            detail = f"nothing arrived for {CHUNK_SECONDS:g} s, or not all within {UPDATE_SECONDS:g} s"
            raise ProblemError(problem(ProblemType.TOO_SLOW, detail)) from error
        if not chunk:
            return
        yield chunk


def _answer(status: UpdateStatus, *, code: int = 200) -> Response:
    return Response(status=code, body=codec.encode(status), content_type="application/json")
