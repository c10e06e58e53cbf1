"""A whole appliance is switched off while it takes an update, at a random write, again and again.

Firmware, boot loader, service manager, agent: as they ship. After each cut it must come up with a system that
is good, and be updated into the slot that does not run and back.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from causeway_controller.errors import AgentUnreachable, UpdateFailed
from causeway_controller.fleet import updates
from causeway_controller.fleet.updates import UpdateFile
from causeway_controller.lab import credentials
from causeway_controller.lab.credentials import Office
from causeway_wire.update import SlotState, UpdateState
from image import update
from tests import restarting
from tests.booted import updated_machine
from tests.booted.updated_machine import DOCUMENT, Appliance
from tests.restarting import Machine

LOOK = 0.05
"""Seconds between looks at the number of writes."""
WRITES = 1500
"""About as many requests one update takes, most of them for its root file system."""
TRIAL_SECONDS = 1500


@dataclass(slots=True)
class Count:
    """What came of the cuts."""

    cuts: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Site:
    """One appliance's disk, and who commands it."""

    directory: Path
    office: Office
    settings: bytes

    @asynccontextmanager
    async def on(self) -> AsyncIterator[Appliance]:
        """The appliance from when it answers until its power goes."""
        with restarting.switched_on_again(updated_machine.image(), self.settings, self.directory) as there:
            await asyncio.to_thread(there.until, there.speaks_tls)
            yield Appliance(there, self.office)


def run(*, cuts: int, seed: int, tell: Callable[[str], None]) -> Count:
    """Cut the power so many times; stops at the first machine that does not recover."""
    count = Count()
    with tempfile.TemporaryDirectory(prefix="causeway-cuts-") as name:
        asyncio.run(_cut(Path(name), cuts, random.Random(seed), count, tell))  # noqa: S311
    return count


async def _cut(work: Path, cuts: int, dice: random.Random, count: Count, tell: Callable[[str], None]) -> None:
    update.FILTERS = updated_machine.QUICKLY
    parts = updated_machine.taken_apart(work)
    office, token = credentials.make_office("office", work), credentials.make_token()
    (work / "machine").mkdir()
    site = Site(work / "machine", office, updated_machine.settings(office, token))
    async with site.on() as one:
        await updated_machine.enrol(one.there, office, token)
        async with one.agent() as agent:
            await agent.apply(DOCUMENT, timeout=120)
    for number in range(cuts):
        # Others each time: what an appliance has already is not sent to it again.
        files = [updates.read(parts.remade(f"{number}.{each}", f"mkdir {each}")) for each in range(3)]
        async with site.on() as one:
            done = await _until_cut(one, files[0], dice.randrange(1, WRITES))
        try:
            async with site.on() as one:
                await _updated_to_and_fro(one, files)
        except (UpdateFailed, AgentUnreachable, AssertionError, restarting.SilentError) as error:
            count.failures.append(f"{type(error).__name__} after a cut at write {done}: {error}")
            return
        count.cuts += 1
        tell(f"machine cut at write {done} of an update: came up, updated into both slots")


async def _until_cut(one: Appliance, file: UpdateFile, wanted: int) -> int:
    """Install the update until so many writes were done; how many there were when the power went."""
    async with one.agent() as agent:
        before = await asyncio.to_thread(writes, one.there)
        task = asyncio.create_task(updates.install(agent, file, tries=2, seconds=TRIAL_SECONDS))
        done = await asyncio.to_thread(_wait, one.there, before + wanted, task.done) - before
        one.there.qemu.kill()
        await asyncio.to_thread(one.there.qemu.wait)
        task.cancel()
        with suppress(asyncio.CancelledError, AgentUnreachable, UpdateFailed):
            await task
    return done


async def _updated_to_and_fro(one: Appliance, files: list[UpdateFile]) -> None:
    async with one.agent() as agent:
        status = await agent.get_update()
        if status.state is UpdateState.TRYING:  # cut after its activation: it proves good first
            status = await updates.install(agent, files[0], tries=2, seconds=TRIAL_SECONDS)
        assert status.report(status.running).state is SlotState.GOOD, status
        for file in files[1:]:
            before = status.running
            status = await updates.install(agent, file, tries=2, seconds=TRIAL_SECONDS)
            assert (status.running, status.report(status.running).build) == (before.other, file.build), status


def _wait(machine: Machine, wanted: int, over: Callable[[], bool]) -> int:
    """Wait until its disk has taken so many writes, or all is over; how many it took."""
    while (found := writes(machine)) < wanted and not over():
        time.sleep(LOOK)
    return found


def writes(machine: Machine) -> int:
    """Write requests that its disk has taken (QEMU's machine protocol, query-blockstats)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(machine.monitor))
        with connection.makefile("rw") as stream:
            stream.readline()  # the greeting
            _ask(stream, "qmp_capabilities")
            blocks = _ask(stream, "query-blockstats")
    (found,) = (each["stats"] for each in blocks if each.get("device") == "disk")
    return int(found["wr_operations"])


def _ask(stream: TextIO, command: str) -> Any:
    stream.write(json.dumps({"execute": command}) + "\n")
    stream.flush()
    for line in stream:  # events come in between
        answer = json.loads(line)
        if "return" in answer:
            return answer["return"]
    raise EOFError("QEMU has gone")
