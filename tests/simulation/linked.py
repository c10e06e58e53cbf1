"""Two sites of which each has controllers of its own, that meet over a line: the halves of one failover."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeVar, cast

from causeway_controller.api.halves import HalfHandlers
from causeway_controller.contract import tenant_routes
from causeway_controller.contract.tenant_view import FailoverView, TenantResources, VersionedResources
from causeway_controller.errors import PeerUnreachable
from causeway_controller.inventory.tenancy import ProviderHalf, Site
from causeway_controller.peers.client import ProviderClient, Reply
from causeway_controller.peers.half import HalfClient, HalfPatience
from causeway_controller.store.halves import Halves as StoredHalves
from causeway_controller.store.run_reports import RunsTold
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.ports import Half
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from causeway_wire.routes import Route
from tests.simulation.controller import HOST, Controller, Surroundings
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Conditions, Network
from tests.simulation.store import Kept, MemoryLeases, Shared
from tests.simulation.world import TENANT, World

T = TypeVar("T")

NETWORK: Final = "net-0"
"""Where the tenant's runs are."""
NORTH: Final = "north"
"""What the tenant calls the provider's half."""
PEER: Final = "the line between the sites"
PATIENCE: Final = HalfPatience(order=10.0, open=90.0, end=700.0, pause=1.0)
CALM_SECONDS: Final = 1500.0
"""As of `scenario`: an appliance that is silent is waited for longer than the longest hold."""


def halves(whole: Site) -> tuple[Site, Site]:
    """The site as the tenant's controllers know it, and as the provider's do."""
    tenant = whole.tenants[TENANT]
    theirs = ProviderHalf(id=NORTH, hosts=dict.fromkeys(tenant.vms, HOST))
    return (
        replace(whole, tenants={TENANT: replace(tenant, provider=theirs)}),
        replace(whole, tenants={TENANT: replace(tenant, appliances={})}),
    )


class LinkedWorld(World):
    """As `World`, whose controllers are the tenant's; the provider's have a store of their own."""

    host = NETWORK
    calm_seconds = CALM_SECONDS
    rest_seconds = 60.0
    """Longer than an appliance waits for what nobody may cancel: who relies on it is another controller's."""

    def __init__(
        self,
        loop: VirtualLoop,
        site: Site,
        shared: Shared,
        conditions: Conditions,
        *,
        refuses: float,
        theirs: Shared,
    ) -> None:
        """`theirs`: the provider's store."""
        super().__init__(loop, site, shared, conditions, refuses=refuses)
        here, there = halves(site)
        self.their_around = replace(
            self.around,
            site=there,
            shared=theirs,
            leases=MemoryLeases(loop),
            kept=Kept(),
            host=HOST,
        )
        self.around = replace(self.around, site=here, host=NETWORK, halves=self._halves)
        self._theirs: list[Controller] = []
        self._door = Door(self.network, self.their_around, lambda: self._theirs)

    def new_controller(self) -> Controller:
        """Start one more, at the site that has none; the one that people would ask."""
        made = None if self._alive(self._theirs) else self._begin(self._theirs, self.their_around, "p")
        if made is None or not self.asked():
            made = self._begin(self._ours, self.around, "t")
        return made

    def living(self) -> list[Controller]:
        return [one for one in self.controllers if one.alive]

    def asked(self) -> list[Controller]:
        return self._alive(self._ours)

    def last(self, able: Controller) -> frozenset[Controller]:
        """Those that live on when there is peace: one at each site."""
        if not (there := self._running(self._theirs)):
            there = [self._begin(self._theirs, self.their_around, "p")]
        return frozenset({able, there[0]})

    def revive(self) -> None:
        """Each site has somebody."""
        if not self.asked() or not self._alive(self._theirs):
            self.new_controller()

    def run_to_stop(self, run: str) -> tuple[StoredRuns, str]:
        """Half of the time that is the provider's staff, who stop what goes on at their site."""
        runs = StoredRuns(self.their_around.shared.database)
        if self.loop.random.random() < 0.5 and (there := runs.open()):
            return runs, there[0].id
        return super().run_to_stop(run)

    def open_runs(self) -> bool:
        both = (self.around, self.their_around)
        return any(StoredRuns(one.shared.database).open() for one in both)

    def cut(self, amount: int) -> str | None:
        """Every other cut is of the line between the sites."""
        return PEER if amount % 2 else None

    def said(self) -> tuple[frozenset[str], ...]:
        """What the runs of each site left."""
        return (
            *super().said(),
            Standings(self.their_around.shared.database).get(TENANT, HOST).mode.vms,
        )

    @property
    def _ours(self) -> list[Controller]:
        return [one for one in self.controllers if one not in self._theirs]

    def _begin(self, _site: list[Controller], around: Surroundings, letter: str) -> Controller:
        made = Controller(around, f"{letter}{len(self.controllers) + 1}")
        self.controllers.append(made)
        if around is self.their_around:
            self._theirs.append(made)
        made.begin()
        return made

    def _alive(self, site: list[Controller]) -> list[Controller]:
        return [one for one in site if one.alive]

    def _running(self, site: list[Controller]) -> list[Controller]:
        now = self.loop.time()
        return [one for one in site if one.alive and one.process.stopped_until <= now]

    def _halves(self, name: str, run: str) -> Half | None:
        if name != NORTH:
            return None

        async def connect() -> ProviderClient:
            return cast(ProviderClient, self._door)

        return HalfClient(connect=connect, name=name, run=run, patience=PATIENCE)


@dataclass(frozen=True)
class Door:
    """The line to the provider's controllers, one of which answers: a `ProviderClient` without TLS."""

    network: Network
    around: Surroundings
    controllers: Callable[[], list[Controller]]
    appliance: str = PEER
    """What `Network` calls the other end."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing was opened."""

    async def ask(
        self,
        route: Route,
        places: dict[str, str] | None = None,
        *,
        query: dict[str, str] | None = None,
        body: object = None,
        patience: float = 15.0,
    ) -> Reply:
        """As `ProviderClient.ask`."""
        loop, network = self.network.loop, self.network
        reply: asyncio.Future[Reply | ProblemError] = loop.create_future()
        asked = _Asked(places or {}, query or {}, b"" if body is None else codec.encode(body))
        network.sent += 1
        network.before_sending(route.name, "")
        line = cast(Any, self)
        if not network._loses(line, answer=False):
            delays = [network._delay()]
            if loop.random.random() < network.conditions.again:
                network.again += 1
                delays.append(network._delay() + loop.random.uniform(0, network.conditions.latest))
            for number, delay in enumerate(delays):
                told = reply if number == 0 else None
                loop.call_later(delay, self._arrive, route, asked, told, context=network.context)
        try:
            async with asyncio.timeout(patience):
                found = await reply
        except TimeoutError:
            raise PeerUnreachable("no controller of the provider's answers") from None
        if isinstance(found, ProblemError):
            raise found
        return found

    def _arrive(
        self, route: Route, asked: _Asked, reply: asyncio.Future[Reply | ProblemError] | None
    ) -> None:
        loop = self.network.loop
        now = loop.time()
        able = [one for one in self.controllers() if one.alive and one.process.stopped_until <= now]
        if not able:
            return
        controller = loop.random.choice(able)

        async def exchange() -> None:
            try:
                found: Reply | ProblemError = Reply(
                    status=200, body=await self._done(controller, route, asked)
                )
            except ProblemError as error:
                found = error
            if reply is None or self.network._loses(cast(Any, self), answer=True):
                return
            await asyncio.sleep(self.network._delay())
            if not reply.done():
                reply.set_result(found)

        loop.spawn(exchange(), controller.process)

    async def _done(self, controller: Controller, route: Route, asked: _Asked) -> bytes:
        database = self.around.shared.database
        runs = cast(Any, _Runs(controller, RunsTold(database), self.around.loop.now))
        handlers = HalfHandlers.over(StoredHalves(database), runs=runs).handlers()
        if route.name in handlers:
            answer = cast(Any, await handlers[route.name](cast(Any, asked)))
            return codec.encode(answer.document)
        if route.name == tenant_routes.RESOURCES.name:
            return codec.encode(VersionedResources(version="0" * 64, resources=self._resources()))
        return b"{}"

    def _resources(self) -> TenantResources:
        mode = Standings(self.around.shared.database).get(TENANT, HOST).mode
        view = FailoverView(host=HOST, mode=mode.name, vms=tuple(sorted(mode.vms)))
        return TenantResources(
            tenant=TENANT,
            hosts=(HOST,),
            networks=(),
            replicas=(),
            plans=(),
            full_failover_by=(),
            public_addresses=(),
            open_runs=(),
            failovers=(view,) if mode.vms else (),
        )


@dataclass(frozen=True)
class Caller:
    """The tenant's controller."""

    tenant: str = TENANT
    name: str = f"controller of {TENANT}"


@dataclass(frozen=True)
class _Asked:
    """What handlers read of a request (`api.exchange.Ask`)."""

    places: dict[str, str]
    query: dict[str, str]
    body: bytes
    caller: Caller = Caller()

    def document(self, kind: type[T]) -> T:
        return codec.decode(self.body, kind)

    def number(self, name: str, default: int, *, highest: int) -> int:
        return min(int(self.query.get(name, default)), highest)


@dataclass(frozen=True)
class _Runs:
    """What handlers of halves need of `api.runs.RunHandlers`."""

    controller: Controller
    told: RunsTold
    now: Callable[[], object]

    @property
    def service(self) -> object:
        return self.controller.runs

    @property
    def stored(self) -> StoredRuns:
        return StoredRuns(self.controller.around.shared.database)

    def may_start(self, *_: object) -> None:
        """Who has joined may."""

    async def record(self, *_: object) -> None:
        """Nobody reads the audit here."""
