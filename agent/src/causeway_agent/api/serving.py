"""Keeps the API where the management address is, with the credentials in use, and ends what is revoked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from causeway_agent.api import peers, tls
from causeway_agent.api.listener import Listener
from causeway_agent.engine import events, ports
from causeway_agent.engine.service import Engine
from causeway_agent.errors import BackendError
from causeway_wire.problem import ProblemError, ProblemType, problem

RETRY_SECONDS = 1.0
"""Pause before an address that could not be bound is tried again."""
AGAIN_SECONDS = 10.0
"""Pause before an identity that could not be shown is tried again."""

Use = Callable[[ports.Credentials], Awaitable[None]]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Serving:
    """Serves through one listener; `ready` is called when it serves for the first time."""

    def __init__(
        self,
        *,
        listener: Listener,
        context: tls.RotatingContext,
        engine: Engine,
        directory: Path,
        ready: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._context = context
        context.refuses, context.failed = engine.revocations.refuses, engine.refusals.note
        self._engine = engine
        self._directory = directory
        self._ready: Callable[[], None] | None = ready
        self._lock = asyncio.Lock()

    async def open(self, show: Callable[[Use], Awaitable[None]], *, again: float = AGAIN_SECONDS) -> None:
        """Return once connections are met with the identity that `show` gives: the one that is kept, or a
        first one. Without any nobody gets in from afar; the agent goes on all the same: what it filters and
        repairs needs none, and `causeway-agent status` tells.

        Tried again `again` seconds later: a disk is full, a processor too busy to make a key, for a while.
        """
        damage, reason = self._engine.state.damage, ""
        while True:
            try:
                await show(self.use)
            except (BackendError, ProblemError) as error:
                if str(error) != reason:
                    _log.exception(events.IDENTITY_DAMAGED, reason=str(error))
                reason = str(error)
                damage["identity"] = (f"nobody is let in but on the console: {reason}",)
                self._is_ready()
            else:
                damage.pop("identity", None)
                return
            await asyncio.sleep(again)

    async def use(self, credentials: ports.Credentials) -> None:
        """Meet new connections with these credentials from the return on, connections under way stay.

        Raises ProblemError when the TLS library does not accept them; then nothing has changed.
        """
        try:
            context = await asyncio.to_thread(tls.context, credentials, self._directory)
        except (ssl.SSLError, UnicodeEncodeError) as error:
            detail = f"the TLS library refuses it: {error}"
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/certificate")) from error
        self._context.current = context
        await self._refresh()

    async def follow(self) -> None:
        """Move with the management address, and end connections whose certificate was revoked since they were
        let in, until cancelled.
        """
        while True:
            looked = self._engine.reconciler.looked.wait()
            self._listener.turn_out(self._unwelcome)
            if await self._refresh():
                await looked
            else:
                looked.close()
                await asyncio.sleep(RETRY_SECONDS)

    def _unwelcome(self, transport: asyncio.Transport) -> bool:
        serial = peers.serial_of(transport)
        if serial is None or not self._engine.revocations.refuses(serial):
            return False
        _log.warning(events.API_TURNED_OUT, serial=serial)
        return True

    async def _refresh(self) -> bool:
        """Serve where it is wanted now; False when that address cannot be bound yet.

        Nowhere without credentials: no connection could be met.
        """
        async with self._lock:
            if self._context.current is None:
                return False
            management = self._engine.management
            try:
                await self._listener.serve(management.address, management.port)
            except OSError as error:
                where = str(management.address)
                _log.error(events.API_LISTEN_FAILED, address=where, reason=error.strerror)
                return False
            self._is_ready()
            return True

    def _is_ready(self) -> None:
        """Say so, once."""
        if self._ready is not None:
            self._ready()
            self._ready = None
