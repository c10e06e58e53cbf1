"""Tenants that joined: what they cost, and all their failovers at once; in `make bench-controller`.

On the same cores are a process that is all tenants' controllers, and, in this one, the provider's appliances
and machines. `CAUSEWAY_TENANTS` is how many, `CAUSEWAY_RUNS` how often, `CAUSEWAY_DATABASES` on what.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import msgspec

from benchmarks import joined_provider, joined_sites, joined_store, joined_tenants
from benchmarks.joined_provider import READY
from benchmarks.joined_tenants import Done
from benchmarks.report import Figure, figure, publish
from causeway_controller.app import heap
from causeway_controller.store.runs import Runs as StoredRuns
from tests import stores
from tests.controller_crash.__main__ import DATABASES, databases
from tests.controller_crash.matrix import usage
from tests.controller_crash.world import World
from tests.loopback import free_port

RUNS: Final = int(os.environ.get("CAUSEWAY_RUNS", "3"))
TENANTS: Final = int(os.environ.get("CAUSEWAY_TENANTS", "1000"))
APPLIANCES: Final = 10 * TENANTS
CHOSEN: Final = os.environ.get("CAUSEWAY_DATABASES", ",".join(DATABASES)).split(",")
SETTLING: Final = 45.0
"""Seconds until every tenant's controller has asked once, and waits for what changes, or rests."""
WATCHED: Final = 60.0
"""Seconds in which nothing happens but their questions."""
_PATIENCE: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the provider's controller needed."""

    joined: float
    """Seconds."""
    joining: float
    """Of the processor, in seconds, for each of them."""
    share: float
    """Per cent of a core, with nothing to do."""
    idle: float
    """MiB, resident then."""
    seconds: float
    """For all failovers."""
    cpu: float
    peak: float
    lost: tuple[str, ...]


def main() -> None:
    """Print and write the figures."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="causeway-joined-") as home, contextlib.ExitStack() as stack:
        url = databases(stack, CHOSEN)
        for database in CHOSEN:
            found = [asyncio.run(_measured(url, database, Path(home), number)) for number in range(RUNS)]
            figures += _figures(database, found)
            for words in (words for one in found for words in one.lost[:5]):
                sys.stderr.write(f"lost: {words}\n")
    note = f"{TENANTS} joined tenants, {APPLIANCES} appliances asked; all others have the same two cores"
    publish("joined", figures, note=note)


def _figures(database: str, found: list[Measured]) -> list[Figure]:
    def of(name: str, value: Callable[[Measured], float], unit: str, target: float | None = None) -> Figure:
        return figure(f"{database}: {name}", list(map(value, found)), unit, target=target, better="lower")

    return [
        of("all joined", lambda one: one.joined, "s"),
        of("CPU of one that joins", lambda one: one.joining * 1000, "ms"),
        of("of a core, nothing to do", lambda one: one.share, "%", 10),
        of("memory, nothing to do", lambda one: one.idle, "MiB", 120),
        of("all failed over", lambda one: one.seconds, "s", 60),
        of("CPU of that", lambda one: one.cpu, "s", 20),
        of("memory", lambda one: one.peak, "MiB", 150),
        of("runs lost", lambda one: len(one.lost), "", 0),
    ]


async def _measured(url: Callable[[str, Path], str], database: str, home: Path, number: int) -> Measured:
    """Measure once, with a store of its own."""
    own = home / f"{database}-{number}"
    own.mkdir()
    where, port = url(database, own), free_port()
    prepared = joined_store.prepared(where, TENANTS, port=port)
    stores.made(own / joined_provider.WATCHED).close()
    invitations = own / "invitations"
    invitations.write_bytes(msgspec.json.encode(prepared.invitations))
    around = joined_sites.world(TENANTS)
    settings = joined_provider.Settings(
        url=where, port=port, socket=str(own / "world"), directory=str(own), appliances=APPLIANCES
    )
    text = msgspec.json.encode(settings).decode()
    try:
        async with (
            around.serving(own / "world"),
            _process("benchmarks.joined_provider", text, own) as provider,
            _process("benchmarks.joined_tenants", str(invitations), own) as tenants,
        ):
            line = await asyncio.wait_for(_line(provider), _PATIENCE)
            if line.strip() != READY.encode():
                raise RuntimeError((own / "benchmarks.joined_provider.log").read_text()[-3000:])
            return await _stages(provider.pid, tenants, around, StoredRuns(prepared.database))
    finally:
        prepared.database.close()


async def _stages(
    provider: int, tenants: asyncio.subprocess.Process, around: World, kept: StoredRuns
) -> Measured:
    start = usage(provider)
    joined = await _told(tenants, joined_tenants.JOIN)
    if joined.lost:
        raise RuntimeError(f"not all joined: {joined.lost[:3]}")
    after = usage(provider)
    await _told(tenants, joined_tenants.FOLLOW)
    await asyncio.sleep(SETTLING)
    before = usage(provider)
    await asyncio.sleep(WATCHED)
    idle = usage(provider)
    done = await _told(tenants, joined_tenants.FAIL_OVER)
    async with asyncio.timeout(_PATIENCE):
        while True:
            await asyncio.sleep(0.1)
            if not await asyncio.to_thread(kept.open):
                break
    busy = usage(provider)
    unserved = [one for one in joined_sites.names(TENANTS) if not joined_sites.served(around, one)]
    lost = {words.partition(":")[0]: words for words in (*unserved, *done.lost)}
    return Measured(
        joined=joined.seconds,
        joining=(after.cpu - start.cpu) / TENANTS,
        share=(idle.cpu - before.cpu) / WATCHED * 100,
        idle=idle.resident,
        seconds=done.seconds,
        cpu=busy.cpu - idle.cpu,
        peak=busy.peak,
        lost=tuple(lost.values()),
    )


async def _told(tenants: asyncio.subprocess.Process, word: str) -> Done:
    """What the tenants' controllers made of it."""
    cast(asyncio.StreamWriter, tenants.stdin).write(f"{word}\n".encode())
    return msgspec.json.decode(await asyncio.wait_for(_line(tenants), _PATIENCE), type=Done)


async def _line(process: asyncio.subprocess.Process) -> bytes:
    return await cast(asyncio.StreamReader, process.stdout).readline()


@contextlib.asynccontextmanager
async def _process(module: str, argument: str, directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with (directory / f"{module}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            argument,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=2**24,
            env=os.environ | heap.ENVIRONMENT,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


if __name__ == "__main__":
    main()
