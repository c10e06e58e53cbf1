"""A whole appliance loses its power while it takes an update, at a random write, again and again.

Firmware, boot loader, service manager, agent: as they ship. After each cut it must come up with a system that
is good, and be updated into the slot that does not run and back.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from causeway_controller.errors import AgentUnreachable, UpdateFailed
from causeway_controller.fleet import enrolment, update_file, updates
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.trust.identity import Office, make_office
from causeway_lab.assembly import credentials
from causeway_lab.qemu import qmp
from causeway_wire.problem import ProblemError
from causeway_wire.update import SlotState, UpdateState, UpdateStatus
from tests import restarting, update_files
from tests.booted import updated_machine
from tests.booted.updated_machine import DOCUMENT, Appliance
from tests.restarting import Machine

LOOK_SECONDS = 0.05
"""Between two looks at the number of writes."""
TRIAL_SECONDS = 1800
"""For a try to become healthy: emulated, on a machine that others use too."""
WITHIN = 7200.0


@dataclass(frozen=True, slots=True)
class Site:
    """One appliance's disk, who commands it, and the updates that it is given."""

    image: Path
    work: Path
    office: Office
    settings: bytes
    versions: Iterator[int]

    @asynccontextmanager
    async def on(self) -> AsyncIterator[Appliance]:
        """The appliance from when it answers until its power goes."""
        with restarting.switched_on_again(self.image, self.settings, self.work / "machine") as there:
            await asyncio.to_thread(there.until, there.speaks_tls)
            yield Appliance(there, self.office)

    def next_update(self) -> UpdateFile:
        """A build that the appliance does not have: the image's own system, under a higher version."""
        version = f"{next(self.versions)}"
        file = self.work / "next.update"
        return update_file.read(update_files.renamed(self.image.with_suffix(".update"), version, file))


def run(image: Path, work: Path, *, machines: int, seed: int, tell: Callable[[str], None]) -> list[str]:
    """Cut the power so many times. What went wrong; it ends with the first machine that does not recover."""
    return asyncio.run(_cut(image, work, machines, random.Random(seed), tell))  # noqa: S311


async def _cut(
    image: Path, work: Path, machines: int, dice: random.Random, tell: Callable[[str], None]
) -> list[str]:
    office, token = make_office("office", work, now=credentials.now()), enrolment.make_token()
    (work / "machine").mkdir()
    site = Site(image, work, office, updated_machine.settings(office, token), iter(range(1000, 10**6)))
    async with site.on() as one:
        await updated_machine.enrol(one.there, office, token)
        async with one.agent() as agent:
            await agent.apply(DOCUMENT, timeout=600)
        began = await writes(one.there)
        await _update(one, site.next_update())
        taken = await writes(one.there) - began
    tell(f"an update, from its first octet until it has proven good, is {taken} writes")
    for _ in range(machines):
        async with site.on() as one:
            at, state = await _until_cut(one, site.next_update(), dice.randrange(1, taken))
        try:
            async with site.on() as one:
                await _recovers(one, site)
        except (
            UpdateFailed,
            AgentUnreachable,
            ProblemError,
            AssertionError,
            restarting.SilentError,
        ) as error:
            return [f"cut at write {at} ({state}): {type(error).__name__}: {error}"]
        tell(f"a machine cut at write {at} ({state}) came up and was updated in both slots")
    return []


async def _update(one: Appliance, file: UpdateFile) -> UpdateStatus:
    async with one.agent() as agent:
        return await updates.install(agent, file, tries=3, seconds=TRIAL_SECONDS, within=WITHIN)


async def _until_cut(one: Appliance, file: UpdateFile, wanted: int) -> tuple[int, str]:
    """Install the update until so many writes were done: how many there were, and what was going on."""
    before = await writes(one.there)
    task = asyncio.create_task(_update(one, file))
    done = await _wait(one.there, before + wanted, task.done)
    state = "over" if task.done() else "under way"
    one.there.qemu.kill()
    await asyncio.to_thread(one.there.qemu.wait)
    task.cancel()
    with suppress(asyncio.CancelledError, AgentUnreachable, UpdateFailed):
        await task
    return done - before, state


async def _recovers(one: Appliance, site: Site) -> None:
    """What was activated proves good, or the system before runs; then both slots take an update."""
    async with one.agent() as agent:
        status = await agent.get_update()
        until = time.monotonic() + WITHIN
        while status.state is UpdateState.TRYING and time.monotonic() < until:
            await asyncio.sleep(updates.POLL_SECONDS)
            with suppress(AgentUnreachable):
                status = await agent.get_update()
        assert status.report(status.running).state is SlotState.GOOD, status
    for _ in range(2):
        before, file = status.running, site.next_update()
        status = await _update(one, file)
        assert (status.running, status.report(status.running).build) == (before.other, file.build), status


async def _wait(machine: Machine, wanted: int, over: Callable[[], bool]) -> int:
    """Wait until its disk has taken so many writes, or all is over; how many it took."""
    while (found := await writes(machine)) < wanted and not over():  # noqa: ASYNC110 - QEMU tells nobody
        await asyncio.sleep(LOOK_SECONDS)
    return found


async def writes(machine: Machine) -> int:
    """Write requests that its disk has taken since it was switched on (QMP, query-blockstats)."""
    blocks = await qmp.execute(machine.monitor, "query-blockstats", patience=120)
    (found,) = (each["stats"] for each in blocks if each.get("device") == restarting.DISK)
    return int(found["wr_operations"])
