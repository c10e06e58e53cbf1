"""One kill for all boundaries: each run stays at its own, then the controller that carries them all goes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from causeway_controller.app import heap
from causeway_controller.contract.requests import Request
from causeway_controller.store import migrate
from causeway_controller.store.database import Database, connect
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.store.tenancies import Standings
from causeway_wire import codec
from causeway_wire.update import Slot
from tests.controller_crash.chores import CHORES, VERSION, ended
from tests.controller_crash.controller import READY, Order, Settings
from tests.controller_crash.world import World
from tests.runs_bench import RunsBench, made
from tests.update_files import make
from tests.workflow_bench import SITE
from tests.workflows import SEQUENCES

MOMENTS = ("before", "after", "remembered")
LEASE = 5.0
_PATIENCE = 120.0
"""For everything that must happen; other work may keep the machine busy."""


@dataclass(frozen=True, slots=True)
class Case:
    """A workflow that is cut at one boundary."""

    workflow: str
    stage: str

    @property
    def host(self) -> str:
        """The tenancy it has for itself."""
        return f"{self.workflow}-{self.stage.replace(' ', '-').replace('/', '-')}"

    @property
    def sequence(self) -> tuple[Request, ...]:
        """What is asked for, one after the other; of a chore nothing but itself."""
        return SEQUENCES.get(self.workflow, ())

    @property
    def depth(self) -> int:
        """How many requests that is."""
        return max(len(self.sequence), 1)

    def request(self, from_end: int, build: str) -> bytes:
        """The one that is so many before the last."""
        if self.workflow in CHORES:
            return codec.encode(CHORES[self.workflow].ask(self.host, build))
        return codec.encode(self.sequence[-1 - from_end])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of one round."""

    cases: int
    effects: int
    repeats: int
    remade: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    zombie_accepted: int
    zombie_refused: int
    first_effect: float
    """Seconds from the kill to the survivor's first effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a controller needed."""

    seconds: float = 0.0
    cpu: float
    """Seconds."""
    peak: int
    """MiB, resident."""
    resident: int = 0
    """The same, now."""
    idle: int = 0
    """As `peak`, before it had anything to do."""
    lost: tuple[str, ...] = ()


def usage(process: int) -> Used:
    """What a process has needed until now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    status = Path(f"/proc/{process}/status").read_text()
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    peak, resident = (int(sizes[name].split()[0]) // 1024 for name in ("VmHWM", "VmRSS"))
    return Used(cpu=ticks / os.sysconf("SC_CLK_TCK"), peak=peak, resident=resident)


async def stages(directory: Path, workflow: str) -> tuple[list[str], object, object]:
    """The stages of a workflow, and what the world and the store are after it, when nobody is killed."""
    database = made(directory)
    bench = RunsBench(database)
    run = ""
    for request in SEQUENCES[workflow]:
        run = (await bench.runs.start(request, host="calm", actor="anna")).id
        await bench.engine.carry_out(run)
    agents = {name: (one.mode, one.awaiting, sorted(one.table)) for name, one in bench.agents.items()}
    found = (
        bench.engine.remembered[run],
        (agents, bench.hypervisor.on, dict.fromkeys(agents, Slot.A)),
        bench.standings.get("acme", "calm"),
    )
    database.close()
    return found


class Round:
    """One moment and one signal, on one database, for all cases."""

    def __init__(
        self,
        url: str,
        directory: Path,
        cases: list[Case],
        calm: Mapping[str, object],
        *,
        patience: float = _PATIENCE,
        lease: float = LEASE,
    ) -> None:
        self._patience = patience
        self._lease = lease
        self._url = url
        self._socket = directory / "world"
        self._directory = directory
        self._cases = cases
        self._calm = calm
        self._world = World(SITE, [case.host for case in cases])
        self._build = make(directory, version=VERSION).build
        for case in cases:
            if case.workflow in CHORES:
                CHORES[case.workflow].before(self._world.tenancies[case.host])
        database = connect(url)
        migrate.upgrade(database)
        self._database: Database = database
        self._kept = StoredRuns(database)
        self._processes: list[asyncio.subprocess.Process] = []

    async def run(self, moment: str, sign: signal.Signals) -> Report:
        """Kill or stop the first controller, with every run where it is to be cut."""
        try:
            async with self._world.serving(self._socket):
                return await self._run(moment, sign)
        finally:
            await self._end()

    async def _run(self, moment: str, sign: signal.Signals) -> Report:
        park = {f"{case.host}-last": (case.stage, moment) for case in self._cases}
        first = await self._controller("first", park)
        await self._go_before(first)
        for case in self._cases:
            self._order(first, case, 0)
        await self._until(lambda: len(self._world.parked) == len(self._cases), "everybody at its boundary")
        await self._controller("second", {})
        killed = time.monotonic()
        before = self._world.tally.accepted["first"]
        first.send_signal(sign)
        if sign is signal.SIGSTOP:
            await self._taken_over()
            self._world.woken.set()
            first.send_signal(signal.SIGCONT)
        await self._until(partial(self._all_over, list(park)), "the ends")
        async with asyncio.timeout(_PATIENCE):
            await first.wait()
        return self._report(killed, self._world.tally.accepted["first"] - before)

    async def _taken_over(self) -> None:
        """Return when the second one has begun. Who is stopped while it writes to a file of SQLite keeps all
        others from writing, until it is woken or killed: then it is woken after four leases.
        """
        deadline = time.monotonic() + 4 * self._lease
        await self._until(
            lambda: "second" in self._world.tally.first or time.monotonic() > deadline, "the takeover"
        )

    async def _go_before(self, first: asyncio.subprocess.Process) -> None:
        """Have done what must be so before the workflows that are meant."""
        depth = max(case.depth for case in self._cases)
        for number in range(depth - 1, 0, -1):
            deep = [case for case in self._cases if case.depth > number]
            names = [self._order(first, case, number) for case in deep]
            await self._until(partial(self._all_over, names), "what goes before")

    def _all_over(self, waiting: list[str]) -> bool:
        """Whether all are; what is over leaves the list, so that many are not asked of again and again."""
        while waiting and self._over(waiting[-1]):
            waiting.pop()
        return not waiting

    def _report(self, killed: float, zombie: int) -> Report:
        tally = self._world.tally
        return Report(
            cases=len(self._cases),
            effects=len(tally.effects),
            repeats=tally.repeats,
            remade=sum(tally.taken_back.values()),
            lost=tuple(self._lost()),
            doubled=tuple(f"{one.run}: {one.stage}: {one.what}" for one in tally.doubled()),
            zombie_accepted=zombie,
            zombie_refused=tally.stale["first"],
            first_effect=tally.first["second"] - killed,
        )

    def _lost(self) -> Iterable[str]:
        """Cases that did not end as they do when nobody is killed."""
        standings = Standings(self._database)
        for case in self._cases:
            event = self._kept.last(f"{case.host}-last")
            told = "nothing" if event is None else f"{event.kind} {event.detail}"
            found = self._world.state(case.host), standings.get("acme", case.host)
            if event is None or event.kind != "finished" or found != self._calm[case.workflow]:
                yield f"{case.host}: {told[:300]}"

    def _unparked(self) -> Iterable[str]:
        """Runs that are not at their boundary, and what came of them last."""
        names = {f"{case.host}-last" for case in self._cases}
        for name in sorted(names - self._world.parked):
            event = self._kept.last(name)
            yield f"{name}: {'nothing' if event is None else f'{event.kind} {event.detail}'}"

    def _order(self, process: asyncio.subprocess.Process, case: Case, from_end: int) -> str:
        """Have a controller start the request so many before the last one."""
        name = f"{case.host}-last" if from_end == 0 else f"{case.host}-{from_end}"
        order = Order(id=name, host=case.host, request=case.request(from_end, self._build).decode())
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        return name

    def _over(self, run: str) -> bool:
        found = self._kept.last(run)
        return found is not None and found.kind in {"finished", "failed"}

    async def run_calmly(self) -> Used:
        """Have one controller carry all runs out at once; what that took."""
        async with self._world.serving(self._socket):
            try:
                return await self._run_calmly()
            finally:
                await self._end()

    async def _run_calmly(self) -> Used:
        first = await self._controller("first", {})
        idle = usage(first.pid)
        began = time.monotonic()
        names = [self._order(first, case, 0) for case in self._cases]
        await self._until(partial(self._all_over, names), "the ends")
        seconds, busy = time.monotonic() - began, usage(first.pid)
        lost = tuple(self._lost())
        return Used(seconds=seconds, cpu=busy.cpu - idle.cpu, peak=busy.peak, idle=idle.peak, lost=lost)

    async def _end(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()
        self._database.close()

    async def _controller(self, name: str, park: dict[str, tuple[str, str]]) -> asyncio.subprocess.Process:
        settings = Settings(
            name=name,
            url=self._url,
            socket=str(self._socket),
            directory=str(self._directory),
            lease=self._lease,
            park=park,
        )
        with (self._directory / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.controller_crash.controller",
                msgspec.json.encode(settings).decode(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=os.environ | heap.ENVIRONMENT,
            )
        self._processes.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            line = await process.stdout.readline()
        if line.decode().strip() != READY:
            raise RuntimeError((self._directory / f"{name}.log").read_text()[-3000:])
        return process

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._patience
        while not holds():
            if time.monotonic() > deadline:
                logs = "".join(path.read_text()[-2000:] for path in self._directory.glob("*.log"))
                raise TimeoutError(f"{what} did not come; {'; '.join(self._unparked())}; {logs}")
            await asyncio.sleep(0.1)


async def all_cases(directory: Path, workflows: Iterable[str]) -> tuple[list[Case], dict[str, object]]:
    """Every boundary of these workflows, and how each workflow ends."""
    cases: list[Case] = []
    calm: dict[str, object] = {}
    for workflow in workflows:
        if workflow in CHORES:
            cases += [Case(workflow, stage) for stage in CHORES[workflow].stages]
            calm[workflow] = ended(workflow)
            continue
        own = directory / workflow
        own.mkdir()
        names, world, standing = await stages(own, workflow)
        cases += [Case(workflow, stage) for stage in names]
        calm[workflow] = (world, standing)
    return cases, calm
