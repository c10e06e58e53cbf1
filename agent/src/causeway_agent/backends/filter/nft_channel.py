"""The pipe to the nftables worker process: one request at a time, each with a deadline.

The worker is started beforehand or when first needed, and again after it died. A request that was cut short
leaves a pipe nobody can make sense of, so it ends the worker too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import sys
from asyncio import subprocess
from dataclasses import dataclass
from pathlib import Path

from causeway_agent import errors

WORKER = Path(__file__).parents[2] / "nft_worker.py"

_NUMBER = struct.Struct(">I")
_CODE = struct.Struct(">i")
_END_SECONDS = 1.0
_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What libnftables said: code 0 when the transaction was committed."""

    code: int
    output: str
    error: str


class NftChannel:
    """Sends nft text to the worker. Safe to use from several tasks: requests queue."""

    def __init__(self, *, worker: Path = WORKER) -> None:
        self._worker = worker
        self._process: subprocess.Process | None = None
        self._spoiled = False
        """A request was cut short: the worker is ended and must be replaced."""
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the worker before it is needed: it loads while others work. What hinders it, `call` tells."""
        async with self._turn:
            with contextlib.suppress(OSError):
                await self._started()

    async def call(self, commands: str, *, seconds: float) -> Answer:
        """Run the commands as one transaction.

        Raises BackendError when the worker cannot be started, dies, or does not answer in time; the
        transaction may then have been committed or not.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(seconds):
                    process = await self._started()
                    self._spoiled = True
                    answer = await _exchange(process, commands.encode())
                    self._spoiled = False
            except TimeoutError as error:
                raise errors.BackendError("run nftables", f"no answer within {seconds:g} s") from error
            except (OSError, EOFError) as error:
                raise errors.BackendError("run nftables", f"the worker died: {await self._end()}") from error
            finally:
                if self._spoiled:
                    self._kill()
            return answer

    async def close(self) -> None:
        """End the worker."""
        async with self._turn:
            await self._end()

    async def _started(self) -> subprocess.Process:
        if self._spoiled or (self._process is not None and self._process.returncode is not None):
            await self._end()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-IS",
                str(self._worker),
                str(os.getpid()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
                limit=_LIMIT,
            )
        return self._process

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _end(self) -> str:
        """End the worker, at its own pace if it is quick about it; the last line of what it complained of."""
        process, self._process = self._process, None
        self._spoiled = False
        if process is None:
            return "it could not be started"
        try:
            async with asyncio.timeout(_END_SECONDS):
                _, said = await process.communicate(b"")
        except TimeoutError:
            process.kill()
            _, said = await process.communicate(b"")
        lines = said.decode(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


async def _exchange(process: subprocess.Process, body: bytes) -> Answer:
    if process.stdin is None or process.stdout is None:
        raise errors.Bug("the worker has no pipes")
    process.stdin.write(_NUMBER.pack(len(body)) + body)
    await process.stdin.drain()
    (code,) = _CODE.unpack(await process.stdout.readexactly(_CODE.size))
    return Answer(code, await _text(process.stdout), await _text(process.stdout))


async def _text(stream: asyncio.StreamReader) -> str:
    (length,) = _NUMBER.unpack(await stream.readexactly(_NUMBER.size))
    return (await stream.readexactly(length)).decode()
