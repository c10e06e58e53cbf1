"""The slots of this machine's disk, asked of the program that may write to them (`slots`, by its socket)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from causeway_agent.backends.host import slot_protocol
from causeway_agent.backends.host.slot_protocol import Abandon, Activate, Receive, Reply, Request, Status
from causeway_agent.errors import BackendError
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import Activation, UpdateStatus

ANSWER_SECONDS = 120.0
"""For everything but an update file; the program starts and mounts a partition first."""
TRIAL = Path("/run/causeway-trial")
"""There while a trial runs: `RuntimeDirectory=` of its unit."""
CHECK_SECONDS = 1800.0
"""For what was received to be written and read back, on a slow disk."""


class SocketSlots:
    """Implements `ports.Slots`."""

    def __init__(self, path: Path = Path(slot_protocol.SOCKET), *, trial: Path = TRIAL) -> None:
        self._path, self._trial = path, trial

    async def status(self) -> UpdateStatus:
        return await self._ask(Status())

    async def receive(
        self, chunks: AsyncIterator[bytes], *, octets: int, sha256: str, allow_older: bool
    ) -> UpdateStatus:
        return await self._ask(Receive(octets, sha256, allow_older), chunks)

    async def activate(self, wanted: Activation) -> UpdateStatus:
        return await self._ask(Activate(wanted))

    async def abandon(self) -> UpdateStatus:
        return await self._ask(Abandon())

    def on_trial(self) -> bool:
        return self._trial.exists()

    async def _ask(self, request: Request, chunks: AsyncIterator[bytes] | None = None) -> UpdateStatus:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=slot_protocol.LINE_LIMIT)
        except OSError as error:
            detail = (
                f"it has no program that writes to slots ({error.strerror}): it does not run Causeway's image"
            )
            raise ProblemError(problem(ProblemType.UPDATE_UNSUPPORTED, detail)) from error
        answer = asyncio.create_task(reader.readline())
        try:
            writer.write(slot_protocol.encode(request))
            if chunks is not None:
                await _send(chunks, writer, answer)
            async with asyncio.timeout(ANSWER_SECONDS if chunks is None else CHECK_SECONDS):
                line = await answer
        except ConnectionError:
            line = b""
        except (TimeoutError, ValueError, OSError) as error:
            raise BackendError("ask for the slots", str(error) or type(error).__name__) from error
        finally:
            answer.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return _status(line)


async def _send(
    chunks: AsyncIterator[bytes], writer: asyncio.StreamWriter, answer: asyncio.Task[bytes]
) -> None:
    """Send as fast as it is taken, until there is an answer."""
    async for chunk in chunks:
        if answer.done():
            return
        writer.write(chunk)
        try:
            await writer.drain()
        except ConnectionError:
            return  # whatever it said before it went is in the answer


def _status(line: bytes) -> UpdateStatus:
    try:
        reply: Reply = slot_protocol.reply(line)
    except msgspec.DecodeError as error:
        reason = "it ended without an answer; its log says more: journalctl -u 'causeway-slots@*'"
        raise BackendError("ask for the slots", reason) from error
    if reply.problem is not None:
        raise ProblemError(reply.problem)
    if reply.status is None:
        raise BackendError("ask for the slots", "an empty answer")
    return reply.status
