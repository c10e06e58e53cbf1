"""One history from beginning to end: what the schedule says, then peace, and whether all agree."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from causeway_controller.contract.requests import FailOver, Request, Undo
from causeway_controller.contract.run_events import FINISHED, LAST
from causeway_controller.failover import documents
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.generations import MemoryBook
from causeway_controller.store.runs import Run
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.workflows.numbering import numbered
from causeway_controller.workflows.runs import Runs
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import ProblemError
from causeway_wire.types import Generation, IPAddress
from tests import sites
from tests.simulation import schedule as schedules
from tests.simulation.back import BackWorld, back_site
from tests.simulation.controller import Controller, start
from tests.simulation.linked import LinkedWorld
from tests.simulation.loop import VirtualLoop, virtual
from tests.simulation.misfortune import Misfortune
from tests.simulation.network import client
from tests.simulation.properties import Properties
from tests.simulation.schedule import Schedule
from tests.simulation.store import Shared
from tests.simulation.world import BOOT_SECONDS, GATEWAY, TENANT, World

ATTEMPTS: Final = 4
"""How often people ask again for what left something standing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What came of one seed."""

    seed: int
    broken: str | None
    """The first property that did not hold."""
    trace: tuple[str, ...]
    elapsed: float
    """Virtual seconds."""
    steps: int
    """Callbacks that were run."""
    counts: dict[str, int]


@functools.cache
def _site(networks: int) -> Site:
    return sites.site(networks=networks, vms_per_network=2, gateways=1, ipv6=False)


@functools.cache
def _shared() -> tuple[Shared, Shared]:
    return Shared(), Shared()


def run(seed: int, *, linked: bool = False, back: bool = False) -> History:
    """The history of this seed; the same each time. `linked`: each site has controllers of its own; `back`:
    so, and the tenant's is back from a full failover of which it keeps some.
    """
    for one in _shared():
        one.clear()
    with _quiet(), virtual(seed) as loop:
        return _told(loop, seed, linked=linked, back=back)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No log: in a history everything goes wrong, and the trace tells of it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)


def _told(loop: VirtualLoop, seed: int, *, linked: bool, back: bool) -> History:
    schedule, (ours, theirs) = schedules.draw(seed), _shared()
    how = schedule.conditions
    if back:
        world: World = BackWorld(loop, back_site(), ours, how, refuses=schedule.refuses, theirs=theirs)
    elif linked:
        world = LinkedWorld(loop, _site(1), ours, how, refuses=schedule.refuses, theirs=theirs)
    else:
        world = World(loop, _site(schedule.networks), ours, how, refuses=schedule.refuses)
    properties = Properties(world)
    telling = _Telling(world, properties, schedule)
    try:
        loop.run_until_complete(telling.tell())
    except RuntimeError as error:
        raise loop.fault or error from error
    return History(
        seed=seed,
        broken=properties.broken,
        trace=tuple(world.trace),
        elapsed=loop.time(),
        steps=loop.steps,
        counts=telling.counts(),
    )


class _Telling:
    """One history while it goes on."""

    def __init__(self, world: World, properties: Properties, schedule: Schedule) -> None:
        self._world, self._properties, self._schedule = world, properties, schedule
        self._loop: VirtualLoop = world.loop
        self._runs = StoredRuns(world.around.shared.database)
        self._asked: dict[str, Request] = {}
        self._over = world.loop.create_future()
        self._misfortune = Misfortune(world, properties)
        self._undisturbed = schedule.calm
        self._left = False
        """Whether a run said that something stands."""
        properties.on_broken = self._end

    def counts(self) -> dict[str, int]:
        """How much happened."""
        network = self._world.network
        return {
            "runs": len(self._asked),
            "blows": self._misfortune.struck,
            "controllers": len(self._world.controllers),
            "lives": sum(one.lives for one in self._world.appliances.values()),
            "messages": network.sent,
            "lost": network.lost,
            "late": network.late,
            "repeated": network.again,
        }

    async def tell(self) -> None:
        """From beginning to end, or until something is broken."""
        story = self._loop.create_task(self._story())
        await asyncio.wait([story, self._over], return_when=asyncio.FIRST_COMPLETED)
        if story.done() and not story.cancelled():
            story.result()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _story(self) -> None:
        world, schedule = self._world, self._schedule
        world.originals.deaf = schedule.deaf
        world.populate(self._properties, on=schedule.on)
        self._loop.spawn(self._keep_gateway())
        await asyncio.sleep(BOOT_SECONDS)
        for _ in range(schedule.controllers):
            world.new_controller()
        await world.begin()
        self._misfortune.begin(schedule.blows)
        people = self._loop.create_task(self._people())
        await asyncio.wait([people], timeout=schedules.SECONDS)
        if not people.done():
            people.cancel()
        await self._calm()

    async def _keep_gateway(self) -> None:
        """What does it for gateways is another workflow; here its document is sent until it is in force."""
        book = MemoryBook()
        ours = client(self._world.network, sender="keeper", appliance=GATEWAY)

        async def send(generation: Generation) -> None:
            wanted = documents.document(self._world.site, GATEWAY, generation=generation, epoch=1)
            await ours.apply(wanted, timeout=20.0)

        while True:
            try:
                await numbered(book, GATEWAY, send)
            except Exception:  # noqa: BLE001 - whatever it was, once more
                await asyncio.sleep(2.0)
            else:
                return

    # People

    async def _people(self) -> None:
        wishes = self._world.wishes(self._schedule.wishes)
        for number, (wish, pause) in enumerate(zip(wishes, self._schedule.pauses, strict=False), 1):
            await asyncio.sleep(pause)
            request = self._request(wish)
            if wish != "undo" and not self._schedule.mistaken:
                self._world.originals.on -= request.vms
            run = f"run-{number}"
            if number == 1 and self._schedule.stop_after is not None:
                self._loop.spawn(self._stop(run, self._schedule.stop_after))
            if not await self._ask(start(request, run, host=self._world.host), run, request):
                continue
            if not self._stands(await self._ended(run), request):
                continue
            if self._loop.random.random() < 0.7:
                await asyncio.sleep(self._loop.random.uniform(0.5, 8.0))
                if await self._retried(run, f"{run}-again"):
                    await self._ended(f"{run}-again")
            if self._left:
                return  # what stands is retried before anything else is asked for (decision 36)

    async def _retried(self, before: str, identifier: str) -> bool:
        """Have what this run was asked for asked for once more; whether it was accepted."""
        request = self._asked[before]
        if isinstance(request, FailOver) and (self._misfortune.peace or not self._schedule.mistaken):
            self._world.originals.on -= request.vms
        asked = functools.partial(_retry, before=before, identifier=identifier)
        return await self._ask(asked, identifier, request)

    def _stands(self, told: dict[str, Any], request: Request) -> bool:
        """Whether something is left that people have to see to; an undo is repeated, never taken back."""
        return told["kind"] != FINISHED and (self._left or isinstance(request, Undo))

    def _request(self, wish: str) -> FailOver | Undo:
        first = frozenset({"vm-0-0"})
        match wish:
            case "fail-over":
                return FailOver(tenant=TENANT, vms=first)
            case "keep":
                return FailOver(tenant=TENANT, vms=first, end_full=True)
            case "more":
                return FailOver(tenant=TENANT, vms=frozenset(self._world.tenant.vms) - first)
            case _:
                stops = self._loop.random.random() < 0.5
                return Undo(tenant=TENANT, vms=first, stop_appliances=stops)

    async def _ask(self, asked: Callable[[Runs], Awaitable[Run]], run: str, request: Request) -> bool:
        """Have some controller accept the request; whether one did."""
        for _ in range(40):
            if self._runs.find(run) is not None:
                break
            controller = self._answering()
            if controller is not None:
                try:
                    await controller.ask(asked, seconds=8.0)
                except ProblemError as error:
                    kind = error.problem.type.rpartition(":")[2]
                    self._world.tell(f"{run} is refused: {kind}")
                    if kind != "unavailable":
                        if self._undisturbed:
                            self._properties.breaks(
                                5, f"nothing was in the way, and {run} is refused: {kind}"
                            )
                        return False
            await asyncio.sleep(2.0)
        accepted = self._runs.find(run) is not None
        if accepted:
            self._asked[run] = request
            self._world.tell(f"{run} is asked for: {type(request).__name__} {', '.join(_vms(request))}")
        return accepted

    def _answering(self) -> Controller | None:
        now = self._loop.time()
        able = [one for one in self._world.asked() if one.process.stopped_until <= now]
        return self._loop.random.choice(able) if able else None

    async def _stop(self, run: str, after: float) -> None:
        await asyncio.sleep(after)
        runs, stopped = self._world.run_to_stop(run)
        try:
            runs.ask_to_stop(stopped, actor="anna", at=self._loop.now())
        except ProblemError:
            return
        self._world.tell(f"{stopped} is asked to stop")

    async def _ended(self, run: str) -> dict[str, Any]:
        """What its last event tells, once there is one."""
        while True:
            last = self._runs.last(run)
            if last is not None and last.kind in LAST:
                break
            await asyncio.sleep(1.0)
        told = msgspec.json.decode(last.detail, type=dict[str, Any])
        kept = "; ".join(told.get("kept", ()))
        why = f" ({told['why']})" if "why" in told else ""
        self._world.tell(f"{run} {last.kind}{why}{f', not undone: {kept}' if kept else ''}")
        request = self._asked[run]
        early = self._world.hurried and isinstance(request, Undo)
        if last.kind != FINISHED and self._undisturbed and not early:
            self._properties.breaks(5, f"nothing was in the way, and {run} failed: {told['why']}")
        self._left = last.kind != FINISHED and (self._left or bool(kept))
        if last.kind == FINISHED and isinstance(request, Undo):
            self._world.originals.on |= request.vms
            self._properties.owners()
        gone = last.kind != FINISHED and not self._left and not self._world.is_full()
        if gone and isinstance(request, FailOver):
            self._world.originals.on |= request.vms - self._mode()
            self._properties.owners()
        return {"kind": last.kind, **told}

    # Peace

    async def _calm(self) -> None:
        """Nothing is lost and nobody dies any more; one controller lives: everything must come to an end."""
        world = self._world
        world.tell("peace")
        self._misfortune.end()
        able = self._answering() or world.new_controller()
        kept = world.last(able)
        for one in world.living():
            if one not in kept:
                one.kill()
        if not await self._until(lambda: not world.open_runs(), "a run never ends"):
            return
        for number in range(1, ATTEMPTS + 2):
            if not self._asked:
                break
            before, request = list(self._asked.items())[-1]
            told = await self._ended(before)
            if not self._stands(told, request):
                break
            if number > ATTEMPTS:
                self._properties.breaks(5, "what people ask for again and again leaves something standing")
                return
            await asyncio.sleep(world.rest_seconds)
            await self._retried(before, f"again-{number}")
            if not await self._until(lambda: not world.open_runs(), "a run never ends"):
                return
        if await self._until(self._rests, "the appliances do not come to rest"):
            self._agree()

    async def _until(self, holds: Callable[[], bool], otherwise: str) -> bool:
        until = self._loop.time() + self._world.calm_seconds
        while not holds():
            if self._loop.time() >= until:
                self._properties.breaks(5, otherwise)
                return False
            self._world.revive()
            await asyncio.sleep(1.0)
        return True

    def _rests(self) -> bool:
        """Whether no agent that is to be there has anything left to do."""
        for appliance in self._world.appliances.values():
            if not appliance.on:
                continue
            engine = appliance.engine
            if engine is None or engine.changes.in_flight is not None:
                return False
            if engine.appliance_state() not in {ApplianceState.READY, ApplianceState.UNCONFIGURED} and (
                not self._world.originals.on
            ):
                return False
        return True

    def _mode(self) -> frozenset[str]:
        return self._world.said()[0]

    def _agree(self) -> None:
        """The halves are as the runs said."""
        world, originals = self._world, self._world.originals
        said = {originals.addresses[vm] for vm in self._mode() - originals.on}
        doubtful = {originals.addresses[vm] for vm in self._mode() & originals.on}
        claimed = frozenset[IPAddress]().union(*(one.hardware.claims() for one in world.tenants())) - doubtful
        if world.is_full() and not said and not claimed:
            world.tell("all agree: the full failover goes on")
            return
        served = world.provider.hardware.routed() - doubtful
        # What a run left standing serves what nobody asks for, until it is undone (decision 36).
        others = [
            vms for vms in world.said()[1:] if vms != self._mode() and not (self._left and vms > self._mode())
        ]
        if others:
            self._properties.breaks(
                5, f"runs of one site left {sorted(self._mode())}, of the other {sorted(others[0])}"
            )
            return
        if claimed == said and (served == said or (served > said and self._left)):
            world.tell(f"all agree: {_words(said)}")
            return
        what = f"provider serves {_words(served)}, tenant answers for {_words(claimed)}"
        self._properties.breaks(5, f"runs said {_words(said)}, {what}")


async def _retry(runs: Runs, *, before: str, identifier: str) -> Run:
    """As `Runs.retry`, under an id that can be told again."""
    runs._new_id = lambda: identifier
    return await runs.retry(before)


def _vms(request: Request) -> list[str]:
    return sorted(request.vms) if isinstance(request, FailOver | Undo) else []


def _words(addresses: set[IPAddress] | frozenset[IPAddress]) -> str:
    return ", ".join(sorted(map(str, addresses))) or "nothing"
