"""QEMU's machine protocol: one command at a time over a machine's UNIX socket (QMP specification, qemu-doc).

The socket is opened for each exchange: QEMU serves one client at a time, and another must get its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from causeway_controller.hypervisors.base import HypervisorError

SECONDS = 10.0
"""For a whole exchange; an emulated machine that computes hard answers late."""
_LINE_LIMIT = 1 << 20


async def execute(
    socket: Path, command: str, arguments: Mapping[str, Any] | None = None, *, patience: float = SECONDS
) -> Any:
    """What the machine returns for a command; raises HypervisorError when it refuses or does not answer."""
    message: dict[str, Any] = {"execute": command}
    if arguments is not None:
        message["arguments"] = dict(arguments)
    try:
        async with asyncio.timeout(patience), _connected(socket) as (reader, writer):
            await _line(reader)  # the greeting
            await _exchange(reader, writer, {"execute": "qmp_capabilities"})
            return await _exchange(reader, writer, message)
    except TimeoutError as error:
        raise HypervisorError(f"{command}: the machine at {socket} did not answer in time") from error
    except (OSError, EOFError, ValueError) as error:
        raise HypervisorError(f"{command}: no machine answers at {socket}: {error}") from error


@contextlib.asynccontextmanager
async def _connected(socket: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=_LINE_LIMIT)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: Mapping[str, Any]
) -> Any:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()
    while True:
        answer = await _line(reader)
        match answer:
            case {"return": value}:
                return value
            case {"error": {"desc": reason}}:
                raise HypervisorError(f"{message['execute']}: {reason}")
            case _:
                continue  # an event


async def _line(reader: asyncio.StreamReader) -> Any:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise EOFError("it hung up")
    return json.loads(line)
