"""One controller carrying out one run, from its beginning or from wherever another one left it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from causeway_controller.contract import requests
from causeway_controller.contract.requests import FailOverSite, Publish, Rehearse
from causeway_controller.contract.run_events import (
    FAILED,
    FINISHED,
    SETTLED,
    STARTED,
    STEP,
    TAKEN_OVER,
)
from causeway_controller.errors import PlanChanged, StepFailed
from causeway_controller.failover import planning, writable
from causeway_controller.failover.events import THROUGH, Event, StepState
from causeway_controller.failover.planning import Plan
from causeway_controller.failover.steps import (
    MachineKind,
    Power,
    Ready,
    Step,
    appliances,
    switched,
    switches,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.counters import Epochs
from causeway_controller.store.runs import Run, RunEvent, Runs
from causeway_controller.store.tenancies import Standing
from causeway_controller.workflows.acting import Run as Acting
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.inherited import Inherited, about
from causeway_controller.workflows.ports import Journal, Tenancies
from causeway_controller.workflows.run_record import Keeping, Record
from causeway_controller.workflows.stages import Stages
from causeway_wire.types import Name, VmName

_STANDING: Final = frozenset({StepState.DONE.value, StepState.UNDO_FAILED.value})
_OPEN_ENDED: Final = frozenset({StepState.STARTED.value, StepState.FAILED.value})
_UNDONE: Final = StepState.UNDONE.value

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What runs are carried out with."""

    runs: Runs
    keeping: Keeping
    epochs: Epochs
    tenancies: Tenancies
    executor: Executor
    """It looks at this controller's lease before each effect."""
    controller: Name
    now: Callable[[], datetime]
    journal: Callable[[Record], Journal]
    """Gives the journal of a run, which is its record."""

    def record(self, asked: Run) -> Record:
        """Return what keeps what comes of a run."""
        return Record(asked, runs=self.runs, keeping=self.keeping, epochs=self.epochs, now=self.now)


class Execution:
    """A run in this controller's hands, under an epoch of its own."""

    def __init__(self, means: Means, asked: Run) -> None:
        self._means = means
        self._asked = asked
        self._record = means.record(asked)
        self._journal = means.journal(self._record)
        self._telling = self._record.telling
        self._site: Site | None = None
        self._planned: Sequence[Step] = ()
        self._steps: dict[str, str] = {}
        """How far each step is, also those that another controller did."""
        self._inherited = Inherited()

    async def carry_out(self) -> None:
        """Carry the run to its end, well or not; nothing when it is over.

        Raises Superseded when another controller has taken it over, StoreError when nothing can be kept.
        """
        taken = await self._record.take()
        if taken is None:
            return
        self._inherited = await self._record.inherited()
        await self._record.ended(functools.partial(self._carry_on, taken.events), self._fail)

    async def give_up(self, error: Exception) -> None:
        """End the run as failed without doing anything more; raises as `carry_out`."""
        taken = await self._record.take()
        if taken is None:
            return
        for event in taken.events:
            self._remember(event)
        self._inherited = await self._record.inherited()
        await self._fail(error)

    async def _carry_on(self, before: Sequence[RunEvent]) -> None:
        request = requests.read(self._asked.request.encode())
        for event in before:
            self._remember(event)
        started = next((event for event in before if event.kind == STARTED), None)
        began: dict[str, Any] = {}
        if started is not None:
            began = msgspec.json.decode(started.detail, type=dict[str, Any])
        followed = requests.plan(request)
        if settled := any(event.kind == SETTLED for event in before):
            followed = followed or modes.plan(modes.read(began["mode"]))  # the mode of now tells it no more
        site = await self._means.tenancies.load(self._asked.tenant, self._asked.host, followed)
        self._site = site
        if started is not None:
            site = tenancy.with_mode(site, self._asked.tenant, modes.read(began["mode"]))
        plan = planning.plan(request, site)
        self._planned = plan.steps
        if began.get("fingerprint") not in {None, planning.fingerprint(plan)}:
            raise PlanChanged
        acting = Acting(plan.site, self._record.epoch, self._asked.id, newer=self._record.newer)
        acting.stop_requested = self._journal.stop_requested
        acting.inherits = bool(self._inherited.kept)
        acting.settle, acting.waits = self._record.settle, self._record.waits
        acting.settled = settled
        if started is None:
            writable.refuse(plan)
            preflight = self._means.executor.preflight
            await preflight.begin(plan, site, self._asked.tenant, self._inherited)
            mode = modes.members(tenancy.mode(site, self._asked.tenant))
            self._telling.tell(
                STARTED,
                controller=self._means.controller,
                mode=mode,
                stages=sentences(plan.steps),
                fingerprint=planning.fingerprint(plan),
                restored={
                    vm: point.isoformat() for vm, point in planning.started(plan).items() if point is not None
                },
                **_left_out(request),
            )
        else:
            await self._take_over(acting, plan.steps)
        await self._telling.kept()
        stages = Stages(self._means.executor, acting, self._journal, self._step)
        await self._finish(plan, await stages.carry_out(plan.steps))

    async def _take_over(self, acting: Acting, steps: Sequence[Step]) -> None:
        """Shut the controller before us out of every appliance of the run, before anything is done."""
        acting.taken_over = True
        silent = await self._means.executor.fence(acting, appliances(steps))
        self._telling.tell(TAKEN_OVER, controller=self._means.controller, silent=silent)

    def _remember(self, event: RunEvent) -> None:
        if event.kind == STEP:
            told = msgspec.json.decode(event.detail, type=dict[str, Any])
            self._steps[told["step"]] = told["state"]

    def _step(self, event: Event) -> None:
        self._steps[event.step.sentence] = event.state.value
        self._telling.step(event)

    async def _finish(self, plan: Plan, events: Sequence[Event]) -> None:
        mode = planning.after(plan, events)
        published = plan.site.tenants[self._asked.tenant].publications
        left = Standing(mode=mode, publications=published if isinstance(plan.request, Publish) else None)
        detail = {
            "mode": modes.members(mode),
            "ready": planning.ready(events),
            "failures": {one.step.sentence: str(one.error) for one in events if one.error is not None},
            "reached": sorted(self._may_be_on()),
            "now": await self._now(),
        }
        await self._record.close(FINISHED, detail, left)
        await self._announce(tenancy.with_mode(plan.site, self._asked.tenant, mode))

    async def _announce(self, site: Site) -> None:
        try:
            await self._means.tenancies.changed(self._asked.tenant, self._asked.host, site)
        except Exception:  # noqa: BLE001 - the run is over, whoever does not hear of it
            _log.exception("nobody heard how a run ended", extra={"run": self._asked.id})

    async def _fail(self, error: Exception) -> None:
        """The tenant's mode stays what it was, or was settled to be: what stands is said."""
        undone, kept = (error.undone, error.kept) if isinstance(error, StepFailed) else ((), ())
        stand = [sentence for sentence, state in self._steps.items() if state in _STANDING]
        kept = (*kept, *self._still_kept((*undone, *kept)))
        reached = sorted((self._may_be_on() | self._open_ended()).difference(stand))
        detail = {"why": str(error), "undone": undone, "kept": kept, "stand": stand, "reached": reached}
        await self._record.close(FAILED, {**detail, "now": await self._now()})

    def _may_be_on(self) -> frozenset[str]:
        """Steps of runs before that may have left replicas on, but for those that this run has off."""
        off: set[str] = set()
        for step in self._planned:
            if isinstance(step.action, Power) and step.action.machine.appliance is None:
                on, away = (switched(step.action.machine.name, on=each) for each in (True, False))
                if self._steps.get(on) == _UNDONE or self._steps.get(away) in THROUGH:
                    off |= {on, away}
        return frozenset(one for one in self._inherited.reached if switches(one)) - off

    def _open_ended(self) -> frozenset[str]:
        """Steps about replicas of which nobody heard the end, or that failed and were not taken back."""
        return frozenset(one for one, state in self._steps.items() if state in _OPEN_ENDED and switches(one))

    def _still_kept(self, told: Sequence[str]) -> Iterator[str]:
        """What a run before could not take back, and this one has not come to."""
        ways_back = {str(step.compensation) for step in self._planned}
        come_to = {way for way in ways_back if any(about(one, way) for one in told)}
        return (one for one in self._inherited.kept if not any(about(one, way) for way in come_to))

    async def _now(self) -> dict[str, Any]:
        """What is where, as far as it can be found out; empty when the run came to know of no site."""
        if self._site is None:
            return {}
        tenant = self._site.tenants[self._asked.tenant]
        vms = tenancy.mode(self._site, self._asked.tenant).vms | _replicas(self._planned)
        return await self._means.executor.survey.now(tenant, self._planned, vms)


def _left_out(request: requests.Request) -> dict[str, Any]:
    but = request.but if isinstance(request, FailOverSite | Rehearse) else frozenset()
    return {"left_out": sorted(but)} if but else {}


def _replicas(steps: Sequence[Step]) -> frozenset[VmName]:
    """Every VM whose replica the steps power or wait for."""
    return frozenset(
        step.action.machine.name
        for step in steps
        if isinstance(step.action, Power | Ready) and step.action.machine.kind is MachineKind.REPLICA
    )


def sentences(steps: Sequence[Step]) -> tuple[tuple[str, ...], ...]:
    """Return what each stage does, in words."""
    numbers = dict.fromkeys(step.stage for step in steps)
    return tuple(tuple(step.sentence for step in steps if step.stage == number) for number in numbers)
