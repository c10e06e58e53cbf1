"""Two controllers that do one partial failover together: two stores, mutual TLS, appliances with timers.

Each site's runs are carried out by an engine that starts another controller when one is killed. Whenever an
appliance turns, it is checked that nobody answers in production for what nobody serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from msgspec import structs

from causeway_controller.api.ports import RunService
from causeway_controller.contract.requests import (
    FailBack,
    FailOver,
    FailOverSite,
    MakePermanent,
    Undo,
    UndoSite,
)
from causeway_controller.inventory.tenancy import ProviderHalf, Site
from causeway_controller.peers.client import ProviderClient
from causeway_controller.peers.half import HalfClient, HalfPatience
from causeway_controller.peers.kept_clients import KeptClients
from causeway_controller.store.database import Database
from causeway_controller.store.runs import Run
from causeway_controller.workflows.ports import Half
from causeway_controller.workflows.providers import client_of, door_of
from causeway_controller.workflows.timing import Timing
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired
from tests import sites
from tests.fakes.agent import FakeAgent
from tests.fakes.engine import FakeEngine, Killed
from tests.faulty_line import Line
from tests.runs_bench import RunsBench, made
from tests.two_sites import NAME, Tenant, World, two_sites

VM = "vm-0-0"
ONES = frozenset({VM})
NETWORK, HOST = "net-0", "esx1"
"""Where a run is at the tenant's controller, and at the provider's."""
TIMING = Timing(
    power=2,
    grace=0.1,
    boot=1,
    change=1,
    courtesy=2,
    tunnel=1,
    mode=0.5,
    ready=1,
    first_poll=0.01,
    longest_poll=0.05,
)
PATIENCE = HalfPatience(order=5.0, open=20.0, hold=5.0, end=20.0, pause=0.1)
SHORT, DEADLINES = 4, 16.0
"""Seconds until an appliance takes back what awaits, and by when all that awaits has gone back."""


@dataclass
class TimedAgent(FakeAgent):
    """An appliance that takes back by itself what nobody confirms in time."""

    turned: Callable[[], None] = lambda: None
    slow: list[float] = field(default_factory=list)
    """Seconds that it takes to be told to wait longer, one time after the other."""
    _timer: asyncio.TimerHandle | None = None

    async def apply(
        self,
        document: Desired,
        *,
        timeout: float,  # noqa: ASYNC109 - as the Protocol
        confirm: int | None = None,
        escalate: bool = False,
    ) -> Change:
        change = await super().apply(document, timeout=timeout, confirm=confirm, escalate=escalate)
        self._arm(confirm)
        self.turned()
        return change

    async def extend(self, identifier: str, *, seconds: int, epoch: int) -> Change:
        if self.slow:
            await asyncio.sleep(self.slow.pop(0))
        change = await super().extend(identifier, seconds=seconds, epoch=epoch)
        self._arm(seconds)
        return change

    async def cancel(self, identifier: str, *, epoch: int) -> Change:
        change = await super().cancel(identifier, epoch=epoch)
        self.turned()
        return change

    async def change(self, identifier: str, *, wait: int | None = None) -> Change:
        self._reachable()
        if self.awaiting is not None and self.awaiting.id == identifier:
            return self.awaiting
        kept = self.confirmed.get(identifier)
        if kept is not None:
            return structs.replace(kept, state=ChangeState.DONE)
        assert self._last is not None
        return structs.replace(self._last, id=identifier, state=ChangeState.ROLLED_BACK)

    _last: Change | None = None

    def _arm(self, seconds: float | None) -> None:
        self._last = self.awaiting or self._last
        if self._timer is not None:
            self._timer.cancel()
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self.awaiting is not None:
            self._fall_back("expired")
            self.turned()


class Engine(FakeEngine):
    """Carries runs out as they are submitted; when one is killed, another controller goes on after a rest."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = 0.05
        self.kills: list[tuple[str, str]] = []
        self.kill_at: tuple[str, str] | None = None
        self.died = asyncio.Event()
        self.at = self._perhaps
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.succeed: Callable[[], object] = lambda: None

    async def submit(self, run: str, *, key: str) -> None:
        known = run in self.submitted
        await super().submit(run, key=key)
        if not known:
            self.tasks[run] = asyncio.create_task(self._whole(run))

    async def _perhaps(self, stage: str, moment: str) -> None:
        if self.kill_at == (stage, moment):
            self.kill_at = None
            self.kills.append((stage, moment))
            self.died.set()
            raise Killed

    async def _whole(self, run: str) -> None:
        while run not in self.ended:
            try:
                await self.carry_out(run)
            except Killed:
                await asyncio.sleep(self.rest)
                self.succeed()


class SiteBench(RunsBench):
    """One site: its store, its appliances, whoever carries out its runs."""

    engine: Engine

    def __init__(self, database: Database, site: Site, turned: Callable[[], None], *, confirm: int) -> None:
        super().__init__(database, site=site, timing=replace(TIMING, confirm=confirm, courtesy=confirm / 2))
        self.agents = {name: TimedAgent(name, self.log, turned=turned) for name in self.agents}
        self.engine = Engine()
        self.again()
        self.engine.succeed = self.again
        self.names = 0

    def again(self) -> None:
        """Another controller of this site."""
        self.names = getattr(self, "names", 0) + 1
        self.runs = self.controller(f"controller-{self.names}")

    def served(self, appliance: str) -> frozenset[str]:
        """VMs that the appliance has in partial failover now."""
        mode = self.agents[appliance].mode
        return frozenset() if mode == "idle" else frozenset(mode.split("+"))


@dataclass
class Linked:
    """Both sites."""

    world: World
    provider: SiteBench
    tenant: SiteBench
    faults: list[str] = field(default_factory=list)
    """What production was told that nobody served."""

    @property
    def line(self) -> Line:
        return self.world.line

    def at_provider(self) -> frozenset[str]:
        return self.provider.served("acme-provider")

    def at_tenant(self) -> frozenset[str]:
        return self.tenant.served("acme-tenant-0")

    def look(self) -> None:
        """Whether production is answered for what nobody serves."""
        if unserved := self.at_tenant() - self.at_provider():
            self.faults.append(f"answered for {sorted(unserved)}: {self.provider.log} {self.tenant.log}")

    async def start(self, request: FailBack | FailOver | Undo) -> Run:
        return await self.tenant.runs.start(request, host=NETWORK, actor="anna")

    async def ended(self, run: Run, *, within: float = 60.0) -> str:
        """How the tenant's run ended, once every run of both sites has."""
        async with asyncio.timeout(within):
            await self.tenant.engine.tasks[run.id]
            while open_ := [one.id for one in self.provider.runs_kept.open()]:
                await asyncio.wait([self.provider.engine.tasks[one] for one in open_])
        return self.tenant.last(run.id)[0]


def halves() -> tuple[Site, Site]:
    """One site as the provider's controller knows it, and as the tenant's does."""
    whole = sites.site(ipv6=False)
    tenant = whole.tenants["acme"]
    hosts = dict.fromkeys(tenant.vms, HOST)
    here = {name: end for name, end in tenant.appliances.items() if name == NETWORK}
    theirs = replace(tenant, provider=ProviderHalf(id=NAME, hosts=hosts), appliances=here)
    return (
        replace(whole, tenants={"acme": replace(tenant, appliances={})}),
        replace(whole, tenants={"acme": theirs}),
    )


@asynccontextmanager
async def linked(place: Path, port: int, *, confirm: int = 20, keeps: bool = False) -> AsyncIterator[Linked]:
    """Both sites, joined; the tenant's appliance waits so many seconds for a confirmation.

    The tenant's controller `keeps` its connections as one that is served does; without, each order meets a
    fault of the line of its own.
    """
    at_provider, at_tenant = halves()
    benches: list[SiteBench] = []
    both: list[Linked] = []

    def turned() -> None:
        for one in both:
            one.look()

    def runs(database: Database) -> RunService:
        benches.append(SiteBench(database, at_provider, turned, confirm=confirm))
        return cast(RunService, SiteRuns(benches[0]))

    async with two_sites(place, port, runs) as world, world.tenant() as known, KeptClients() as kept:
        await known.join(world.invited())
        own = place / "own"
        own.mkdir()
        database = made(own)
        tenant = SiteBench(database, at_tenant, turned, confirm=confirm)
        tenant.halves = _halves(known, kept if keeps else None)
        tenant.again()
        both.append(Linked(world, benches[0], tenant))
        yield both[0]
        await _stopped(benches[0].engine, tenant.engine)
        database.close()


@dataclass
class SiteRuns:
    """`RunService` of whichever controller of the site lives."""

    bench: SiteBench

    def __getattr__(self, name: str) -> object:
        return getattr(self.bench.runs, name)


def _halves(known: Tenant, kept: KeptClients | None) -> Callable[[str, str], Half | None]:
    async def connect() -> AbstractAsyncContextManager[ProviderClient]:
        link = await asyncio.to_thread(known.link)
        return client_of(link) if kept is None else kept.client(NAME, door_of(link))

    def half(name: str, run: str) -> Half | None:
        return HalfClient(connect=connect, name=name, run=run, patience=PATIENCE) if name == NAME else None

    return half


async def _stopped(*engines: Engine) -> None:
    tasks = [task for engine in engines for task in engine.tasks.values()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def agree(both: Linked, ended: str) -> None:
    """What the runs say is so, at both sites."""
    there = ONES if ended == "finished" else frozenset()
    assert (both.at_provider(), both.at_tenant()) == (there, there), (both.provider.log, both.tenant.log)
    assert both.provider.running() == there
    assert all(
        agent.awaiting is None for site in (both.provider, both.tenant) for agent in site.agents.values()
    )
    assert both.tenant.standings.get("acme", NETWORK).mode.vms == there
    assert both.provider.standings.get("acme", "esx1").mode.vms == there


async def there(both: Linked, request: FailOverSite | MakePermanent | UndoSite) -> str:
    """How a run of the provider's staff ends."""
    run = await both.provider.runs.start(request, host="esx1", actor="otto")
    await both.provider.engine.tasks[run.id]
    return both.provider.last(run.id)[0]
