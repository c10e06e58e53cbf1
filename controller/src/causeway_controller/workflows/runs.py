"""Failovers as runs: asked for once, carried out whichever controller dies, told while they go on and after.

The store says what was asked for, what came of it and what it left; the engine remembers which stages are
through. A run is planned before it is opened, and again by whoever carries it out: from what was asked for
and from the mode that it began in. Who carries it out takes a newer epoch than anybody before; who carries it
*on* shows it to every appliance of the run before it acts.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Chore, FailOverSite, Request, UndoSite
from causeway_controller.contract.run_events import FINISHED, LAST, STARTED
from causeway_controller.contract.runs import PlannedReplica, PlannedRun
from causeway_controller.errors import ControllerError, StoreError, Superseded
from causeway_controller.failover import planning, writable
from causeway_controller.failover.planning import Plan
from causeway_controller.inventory import tenancy
from causeway_controller.inventory.modes import Partial
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.counters import Epochs
from causeway_controller.store.runs import Run
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.chores import ChoreExecution, Kind
from causeway_controller.workflows.execution import Execution, Means, sentences
from causeway_controller.workflows.leases import end_process
from causeway_controller.workflows.ports import Engine, EngineState, Journal, Tenancies
from causeway_controller.workflows.run_record import Keeping, Record
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId

_GOES: Final = 600.0
"""Seconds for a half to go: an appliance's change, and replicas that are shut down one after the other, and
what it began must end first. Who is refused after that has to ask again.
"""
_LOOK: Final = 0.2


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


def _record(record: Record) -> Journal:
    return record


class Runs:
    """Starts runs, and carries them out for the engine."""

    def __init__(
        self,
        *,
        runs: StoredRuns,
        epochs: Epochs,
        tenancies: Tenancies,
        executor: Executor,
        controller: Name,
        chores: Mapping[type[Chore], Kind] = MappingProxyType({}),
        die: Callable[[str], None] = end_process,
        now: Callable[[], datetime] = _now,
        new_id: Callable[[], str] = _new_id,
        journal: Callable[[Record], Journal] = _record,
    ) -> None:
        """`executor` looks at this controller's lease before each effect; `chores` are what is done besides
        failovers; `die` ends this controller. A run's `journal` is its record, or stands in front of it.
        """
        self._chores = chores
        self._means = Means(
            runs=runs,
            keeping=Keeping(runs),
            epochs=epochs,
            tenancies=tenancies,
            executor=executor,
            controller=controller,
            now=now,
            journal=journal,
        )
        self._runs = runs
        self._tenancies = tenancies
        self._die = die
        self._now = now
        self._new_id = new_id
        self._engine: Engine | None = None

    def use(self, engine: Engine) -> None:
        """Submit runs to this engine, whose body is `carry_out`. Called once, before the first run."""
        self._engine = engine

    async def plan(self, request: Request, *, host: Name) -> PlannedRun:
        """Return what the request would do now: its stages in words, and the replicas; nothing is changed.

        Raises ProblemError with every reason why it cannot be meant, or that the provider's appliance is
        missing or has failed (`unavailable`), or a document cannot be written.
        """
        site, planned = await self._planned(request, host)
        await self._refuse_needless(request, site, host)
        writable.refuse(planned)
        await self._means.executor.can_begin(request, site, host)
        points = planning.started(planned)
        return PlannedRun(
            stages=sentences(planned.steps),
            replicas=tuple(PlannedReplica(vm=vm, restored_to=point or UNSET) for vm, point in points.items()),
        )

    async def check(self, request: Request, *, host: Name) -> PlannedRun:
        """As `plan`, and raise ProblemError besides for what the run would be refused for when it begins:
        here, or by the provider whose half it needs.

        Notes say what could not be asked. While another run is open there, how things are is not looked at.
        """
        planned = await self.plan(request, host=host)
        half = await asyncio.to_thread(self._runs.open_half, request.tenant, host)
        but = (half or "") if isinstance(request, FailOverSite) else ""  # it takes the place of that
        try:
            await asyncio.to_thread(self._runs.refuse_open, request.tenant, host, but=but)
        except ProblemError as error:
            return msgspec.structs.replace(planned, notes=(error.problem.detail,))
        if half is not None:
            return planned
        site, plan = await self._planned(request, host)
        inherited = await self._means.record(self._asked(request, request.tenant, host)).inherited()
        preflight = self._means.executor.preflight
        await preflight.refuse(plan, site, request.tenant, inherited)
        return msgspec.structs.replace(planned, notes=await preflight.ask(plan.steps))

    async def _refuse_needless(self, request: Request, site: Site, host: Name) -> None:
        """Raise ProblemError where what is kept partially is all there is, and no run left anything on.

        It would have `release` called for VMs of which nothing was held.
        """
        mode = tenancy.mode(site, request.tenant)
        if not isinstance(request, UndoSite) or not isinstance(mode, Partial):
            return
        if not await asyncio.to_thread(self._runs.left_on, request.tenant, host):
            command = f"causeway failover undo {request.tenant} VM... --host {host}"
            detail = (
                f"tenant {request.tenant} on {host} is in a partial failover, and nothing of a full one is "
                f"left on: `{command}` ends the partial one of VMs"
            )
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/keep_partial"))

    async def _planned(self, request: Request, host: Name) -> tuple[Site, Plan]:
        site = await self._tenancies.load(request.tenant, host, requests.plan(request))
        return site, planning.plan(request, site)

    async def start(self, request: Request, *, host: Name, actor: str, identifier: str | None = None) -> Run:
        """Have the request carried out; the run, which is open now. How it goes, its events say.

        With an `identifier` that was used for the same request before, that run is returned, and nothing
        happens. A full failover takes the place of a half that is held for a tenant's controller.

        Raises ProblemError when the request cannot be meant or another run is open: then nothing is kept.
        """
        asked = self._asked(request, request.tenant, host, actor=actor, identifier=identifier)
        if (known := await self._known(asked, identifier)) is not None:
            return known
        await self.plan(request, host=host)
        if isinstance(request, FailOverSite):
            half = await asyncio.to_thread(self._runs.open_half, request.tenant, host)
            if half is not None:
                await self._take_place(half, actor)
                await self.plan(request, host=host)
        return await self._open(asked)

    async def _take_place(self, half: str, actor: str) -> None:
        """Have the half go that is held there for a tenant's controller, whose site may be lost.

        One that is to be kept already ends as what it is. It is waited for, for a while.
        """
        if await self._means.executor.holding.overtake(half):
            with suppress(ProblemError):  # it has ended meanwhile
                await self.stop(half, actor=actor)
        until = time.monotonic() + _GOES
        while await asyncio.to_thread(self._runs.is_open, half):
            if time.monotonic() >= until:
                return
            await asyncio.sleep(_LOOK)

    async def start_chore(
        self,
        request: Chore,
        *,
        tenant: TenantId | None,
        host: Name | None,
        actor: str,
        identifier: str | None = None,
    ) -> Run:
        """As `start`, of what is no failover; without tenant and host it is about the whole fleet."""
        asked = self._asked(request, tenant, host, actor=actor, identifier=identifier)
        if (known := await self._known(asked, identifier)) is not None:
            return known
        await self._chores[type(request)].plan(asked)
        return await self._open(asked)

    async def plan_chore(
        self, request: Chore, *, tenant: TenantId | None, host: Name | None
    ) -> tuple[tuple[str, ...], ...]:
        """As `plan`, of what is no failover."""
        asked = self._asked(request, tenant, host)
        return tuple((unit.sentence,) for unit in await self._chores[type(request)].plan(asked))

    def _asked(
        self,
        request: Request | Chore,
        tenant: TenantId | None,
        host: Name | None,
        *,
        actor: str = "",
        identifier: str | None = None,
    ) -> Run:
        """The run that would be opened."""
        return Run(
            id=identifier or self._new_id(),
            tenant=tenant or "",
            host=host or "",
            request=codec.encode(request).decode(),
            actor=actor,
            at=self._now(),
        )

    async def _known(self, asked: Run, identifier: str | None) -> Run | None:
        """The run of this identifier, where there is one; raises ProblemError when it was asked otherwise."""
        known = None if identifier is None else await asyncio.to_thread(self._runs.find, identifier)
        return None if known is None else _same(known, asked)

    async def _open(self, asked: Run) -> Run:
        await asyncio.to_thread(self._runs.start, asked)
        await self._submit(asked)
        return asked

    async def stop(self, run: str, *, actor: str = "") -> None:
        """Have the run stop before its next stage, and take back what it did as if that stage had failed.

        What is settled stays (`failover.steps.Settle`).

        Raises ProblemError (`not-found`) when it is over.
        """
        await asyncio.to_thread(self._runs.ask_to_stop, run, actor=actor, at=self._now())

    async def retry(self, run: str, *, actor: str | None = None) -> Run:
        """Ask once more for what a run was asked for that failed or was stopped; the new run.

        What it planned is done, or nothing: raises ProblemError (`precondition-failed`) when the same request
        means something else by now. Raises ProblemError besides: `not-found`, `failover-in-progress` while it
        is open, `invalid` when it went through, and whatever `start` raises.
        """
        before = await asyncio.to_thread(self._runs.find, run)
        if before is None:
            raise ProblemError(problem(ProblemType.NOT_FOUND, f"there is no run {run}"))
        last = await asyncio.to_thread(self._runs.last, run)
        if last is None or last.kind not in LAST:
            detail = f"run {run} is not over; wait for it or stop it"
            raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail))
        if last.kind == FINISHED:
            raise ProblemError(problem(ProblemType.INVALID, f"run {run} went through; start a new one"))
        chore = requests.chore(before.request.encode())
        if chore is not None:
            whose = {"tenant": before.tenant, "host": before.host, "actor": actor or before.actor}
            return await self.start_chore(chore, **whose)
        request = requests.read(before.request.encode())
        _, planned = await self._planned(request, before.host)
        if await asyncio.to_thread(self._fingerprint, run) not in {None, planning.fingerprint(planned)}:
            detail = (
                f"the inventory or the tenant's mode is another one than when run {run} was planned, so the "
                "same request would do something else; look at it with a dry run, and start a new run"
            )
            raise ProblemError(problem(ProblemType.PRECONDITION_FAILED, detail))
        return await self.start(request, host=before.host, actor=actor or before.actor)

    def _fingerprint(self, run: str) -> str | None:
        """Of what the run planned; None when it never came to a plan."""
        for event in self._runs.events(run):
            if event.kind == STARTED:
                found: str | None = msgspec.json.decode(event.detail, type=dict[str, Any]).get("fingerprint")
                return found
        return None

    async def carry_out(self, run: str) -> None:
        """Carry the run out from wherever it is, to its end: the engine's body of it.

        A controller that cannot keep what it does, or whose run is another's by now, ends itself.
        """
        try:
            asked = await asyncio.to_thread(self._runs.find, run)
            if asked is not None:
                await self._execution(asked).carry_out()
        except (StoreError, Superseded) as error:
            self._die(f"run {run}: {error}")
            raise

    def _execution(self, asked: Run) -> Execution | ChoreExecution:
        if requests.chore(asked.request.encode()) is not None:
            return ChoreExecution(self._means, self._chores, asked)
        return Execution(self._means, asked)

    async def resubmit(self, *, after: float) -> None:
        """Submit open runs that are so many seconds old and that the engine does not know or has given up.

        A controller that died between opening a run and submitting it leaves such a one. What the engine
        takes for ended although it never was is told to have failed.
        """
        oldest = self._now() - timedelta(seconds=after)
        opened = [one for one in await asyncio.to_thread(self._runs.open) if one.at < oldest]
        if not opened:
            return
        states = await self._using().states(tuple(one.id for one in opened))
        for one in opened:
            match states.get(one.id):
                case None:
                    await self._submit(one)
                case EngineState.GIVEN_UP:
                    await self._using().resume(one.id)
                case EngineState.ENDED if await asyncio.to_thread(self._runs.is_open, one.id):
                    error = ControllerError(
                        "the engine ended it without a word; look at the controllers' logs"
                    )
                    await Execution(self._means, one).give_up(error)
                case _:
                    pass

    async def forget(self, before: datetime) -> int:
        """Have the engine forget runs that ended before; say how many. The history of runs keeps them.

        Raises StoreError.
        """
        opened = await asyncio.to_thread(self._runs.open)
        forgotten = 0
        while count := await self._using().forget(before, but=frozenset(one.id for one in opened)):
            forgotten += count
        return forgotten

    async def _submit(self, asked: Run) -> None:
        await self._using().submit(asked.id, key=f"{asked.tenant}/{asked.host}")

    def _using(self) -> Engine:
        if self._engine is None:
            raise ControllerError("no engine carries runs out: tell of one with `use`")
        return self._engine


def _same(known: Run, asked: Run) -> Run:
    """The run that was asked for before; raises ProblemError when something else was."""
    if (known.tenant, known.host, known.request) != (asked.tenant, asked.host, asked.request):
        detail = f"run {asked.id} was asked for something else before; choose another id"
        raise ProblemError(problem(ProblemType.INVALID, detail))
    return known
