"""One controller: a process with a lease, its share of the runs, and ways to agents and hypervisors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final, NoReturn

from causeway_controller.contract.requests import Request
from causeway_controller.fleet.client import AgentClient
from causeway_controller.hypervisors.base import HypervisorError, Machine
from causeway_controller.inventory import tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.halves import Halves as StoredHalves
from causeway_controller.store.runs import Run
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.guardian import Guardian
from causeway_controller.workflows.hook_calls import NO_HOOKS
from causeway_controller.workflows.ports import Halves, Hooks
from causeway_controller.workflows.runs import Runs
from causeway_controller.workflows.timing import Timing
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.network import Network, client
from tests.simulation.store import Kept, LoopLease, MemoryEngine, MemoryLeases, Shared

HOST: Final = "esx1"
TIMING: Final = Timing(
    power=15.0,
    grace=1.0,
    boot=20.0,
    change=15.0,
    courtesy=3.0,
    confirm=40,
    tunnel=8.0,
    mode=3.0,
    first_poll=0.1,
    longest_poll=1.0,
)
"""Deadlines in the proportions of the product's own, and shorter: a history is cheaper the shorter it is."""


class Ended(BaseException):
    """This process has ended itself; nothing of it runs any more."""


class Machines:
    """A hypervisor: obeys whoever asks, after a moment, or refuses."""

    def __init__(self, loop: VirtualLoop, switch: Callable[[str, bool], None], *, refuses: float) -> None:
        self.on: dict[str, bool] = {}
        self.refuses = refuses
        """Share of orders that are refused."""
        self.slow = 0.0
        """Most seconds that a replica takes besides to shut down."""
        self._loop = loop
        self._switch = switch

    async def find(self, owner_id: str) -> Machine | None:
        await asyncio.sleep(self._loop.random.uniform(0.01, 0.1))
        return Machine(owner_id=owner_id, name=owner_id, powered_on=self.on[owner_id])

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        done = self._loop.create_future()
        refused = self._loop.random.random() < self.refuses

        def act() -> None:
            if not refused:
                self.on[owner_id] = on
                self._switch(owner_id, on)
            if not done.done():
                done.set_result(None)

        # In no process of anybody's: an order that was given is obeyed, whoever gave it is dead or not.
        takes = self._loop.random.uniform(0.05, 1.0)
        if self.slow and not on and "/" in owner_id:
            takes += self._loop.random.uniform(0.0, self.slow)
        self._loop.call_later(takes, act, context=Context())
        await done
        if refused:
            raise HypervisorError(f"power of {owner_id}: no host has enough memory")


class Tenancies:
    """One site, with the mode that runs left."""

    def __init__(self, site: Site, standings: Standings) -> None:
        self._site = site
        self._standings = standings

    async def load(self, tenant: str, host: str, plan: str = "") -> Site:
        return tenancy.with_mode(self._site, tenant, self._standings.get(tenant, host).mode)

    async def changed(self, tenant: str, host: str, site: Site) -> None:
        """Nobody has to hear of it."""


def _no_half(_name: str, _run: str) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What controllers of one site share: what they know, what they keep, whom they command."""

    loop: VirtualLoop
    site: Site
    shared: Shared
    leases: MemoryLeases
    kept: Kept
    network: Network
    machines: Machines
    tell: Callable[[str], None]
    host: str = HOST
    """Where their runs are."""
    hooks: Hooks = NO_HOOKS
    halves: Halves = _no_half
    """The provider's half of a run, at a tenant's controllers."""


@dataclass(eq=False)
class Controller:
    """From its start to its death; who takes over is another one."""

    around: Surroundings
    name: str
    process: Process = field(init=False)
    runs: Runs = field(init=False)
    _clients: dict[str, AgentClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        around, database = self.around, self.around.shared.database
        self.process = Process(self.name)
        self._lease = LoopLease(around.leases, name=self.name, die=self._end, monotonic=around.loop.monotonic)
        executor = Executor(
            agents=self._agent,
            hypervisors=lambda _: around.machines,
            generations=StoredGenerations(database),
            answers=_answers,
            timing=TIMING,
            hooks=around.hooks,
            halves=around.halves,
            words=StoredHalves(database),
            in_charge=self._lease.in_charge,
        )
        self.runs = Runs(
            runs=StoredRuns(database),
            epochs=Epochs(database),
            tenancies=Tenancies(around.site, Standings(database)),
            executor=executor,
            controller=self.name,
            die=self._end,
            now=around.loop.now,
        )
        self._engine = MemoryEngine(around.kept, name=self.name, body=self.runs.carry_out)
        self.runs.use(self._engine)

    @property
    def alive(self) -> bool:
        return self.process.alive

    def begin(self) -> None:
        """Start the process."""
        self.around.tell(f"{self.name} begins")
        self.around.loop.spawn(self._live(), self.process)

    def kill(self) -> None:
        """End it at this instant."""
        if self.process.alive:
            self.around.tell(f"{self.name} is killed")
            self.process.alive = False

    def stop_for(self, seconds: float) -> None:
        """Let nothing of it run for so long, as SIGSTOP does."""
        self.around.tell(f"{self.name} is stopped for {seconds:.1f} s")
        self.process.stopped_until = self.around.loop.time() + seconds

    async def ask(self, asked: Callable[[Runs], Awaitable[Run]], *, seconds: float) -> Run | None:
        """What its API would answer to this, None when it does not; raises what that raises."""
        task = self.around.loop.create_task(_awaited(asked(self.runs)), context=self.process.context())
        await asyncio.wait([task], timeout=seconds)
        return task.result() if task.done() else None

    async def _live(self) -> None:
        self._lease.begin()
        guardian = Guardian(
            lease=self._lease,
            leases=self.around.leases,
            engine=self._engine,
            runs=self.runs,
            now=self.around.loop.now,
            clock=self.around.loop.time,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lease.keep())
            tasks.create_task(self._engine.work())
            tasks.create_task(guardian.run())

    def _agent(self, appliance: str) -> AgentClient:
        if appliance not in self._clients:
            self._clients[appliance] = client(self.around.network, sender=self.name, appliance=appliance)
        return self._clients[appliance]

    def _end(self, why: str) -> NoReturn:
        self.around.tell(f"{self.name} ends itself: {why.partition(':')[0]}")
        self.process.alive = False
        raise Ended(why)


async def _awaited(asked: Awaitable[Run]) -> Run:
    return await asked


async def _answers(_tenant: str, _vm: str) -> bool | None:
    return True


def start(request: Request, identifier: str, *, host: str) -> Callable[[Runs], Awaitable[Run]]:
    """Ask that a run of this id be started."""
    return lambda runs: runs.start(request, host=host, actor="anna", identifier=identifier)
