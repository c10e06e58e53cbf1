"""Mistakes in what controllers do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.engine import Connection

from causeway_controller.contract.requests import Request
from causeway_controller.errors import AgentUnreachable
from causeway_controller.failover import partial, planning, steps
from causeway_controller.failover.steps import Apply, Confirm, Step
from causeway_controller.fleet.client import AgentClient
from causeway_controller.inventory import modes
from causeway_controller.store import counters, run_news
from causeway_controller.store import runs as stored_runs
from causeway_controller.workflows import leases, records, stages
from causeway_controller.workflows.acting import Run
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.execution import Execution
from causeway_controller.workflows.guardian import Guardian
from causeway_controller.workflows.run_record import Record
from causeway_controller.workflows.runs import Runs
from causeway_controller.workflows.stages import Stages
from causeway_wire.change import Change
from causeway_wire.problem import ProblemError, ProblemType
from tests.simulation.planting import Fault, Plant, nothing, silence


def _fence_nobody(plant: Plant) -> None:
    async def fence(_self: Executor, run: Run, _appliances: Iterable[str]) -> tuple[str, ...]:
        run.unheard.clear()
        return ()

    plant.put(Executor, "fence", fence)


def _nest_nothing(plant: Plant) -> None:
    plant.put(Executor, "_outlast", nothing)
    send = Executor._send

    async def sent(self: Executor, run: Run, action: Apply, patience: float) -> None:
        await send(self, run, replace(action, holds=False), patience)

    plant.put(Executor, "_send", sent)


def _outlast_nothing(plant: Plant) -> None:
    plant.put(Executor, "_outlast", nothing)


def _tenant_waits_longer(plant: Plant) -> None:
    real = AgentClient.apply

    async def apply(self: AgentClient, document: Any, *, confirm: int | None = None, **more: Any) -> Change:
        if confirm is not None and "tenant" in self.appliance:
            confirm *= 5
        return await real(self, document, confirm=confirm, **more)

    plant.put(AgentClient, "apply", apply)


def _confirm_backwards(plant: Plant) -> None:
    real = steps.confirmations

    def confirmations(first: str, *others: str) -> list[Any]:
        return list(reversed(list(real(first, *others))))

    plant.put(partial, "confirmations", confirmations)


def _confirm_half(plant: Plant) -> None:
    real = Executor._confirm

    async def confirm(self: Executor, run: Run, appliance: str) -> bool:
        return True if "tenant" in appliance else await real(self, run, appliance)

    plant.put(Executor, "_confirm", confirm)


def _late_is_well(plant: Plant) -> None:
    real = Executor._confirm

    async def confirm(self: Executor, run: Run, appliance: str) -> bool:
        try:
            return await real(self, run, appliance)
        except ProblemError as error:
            if error.problem.type != ProblemType.NOT_AWAITING.urn:
                raise
            return True

    plant.put(Executor, "_confirm", confirm)


def _take_back_forwards(plant: Plant) -> None:
    real = Stages._compensate

    async def compensate(self: Stages, events: Sequence[Any]) -> Any:
        return await real(self, tuple(reversed(events)))

    plant.put(Stages, "_compensate", compensate)


def _always_heard(plant: Plant) -> None:
    real = Stages._hear

    def hear(self: Stages, step: Step, *, heard: bool) -> None:
        real(self, step, heard=True)

    plant.put(Stages, "_hear", hear)


def _cancel_is_believed(plant: Plant) -> None:
    real = Executor.take_back

    async def take_back(self: Executor, run: Run, done: Any, compensation: Any) -> None:
        try:
            await real(self, run, done, compensation)
        except (AgentUnreachable, TimeoutError):
            return

    plant.put(Executor, "take_back", take_back)


def _cancel_only(plant: Plant) -> None:
    async def cancelled(self: Executor, run: Run, appliance: str, change: str) -> bool:
        try:
            await self._agents(appliance).cancel(change, epoch=run.epoch)
        except ProblemError as error:
            if error.problem.type != ProblemType.NOT_AWAITING.urn:
                raise
        return True

    plant.put(Executor, "_cancelled", cancelled)


def _same_epoch(plant: Plant) -> None:
    real = counters.advance

    def advance(connection: Connection, kind: str, owner: str) -> int:
        if kind == counters.EPOCH and (last := counters.last(connection, kind, owner)):
            return last
        return real(connection, kind, owner)

    plant.put(counters, "advance", advance)


def _apply_at_once(plant: Plant) -> None:
    real = planning.plan

    def plan(request: Request, site: Any) -> Any:
        found = real(request, site)
        serving = [one.stage for one in found.steps if isinstance(one.action, Apply) and one.action.holds]
        relying = [one.stage for one in found.steps if isinstance(one.action, Apply) and one.action.within]
        if not serving or not relying:
            return found
        swap = {serving[0]: relying[0], relying[0]: serving[0]}
        ordered = sorted(
            (replace(one, stage=swap.get(one.stage, one.stage)) for one in found.steps),
            key=lambda one: one.stage,
        )
        return replace(found, steps=tuple(ordered))

    plant.put(planning, "plan", plan)


def _withdraw_first(plant: Plant) -> None:
    real = planning.plan

    def plan(request: Request, site: Any) -> Any:
        found = real(request, site)
        if any(isinstance(one.action, Confirm) for one in found.steps):
            return found
        last = max(one.stage for one in found.steps)
        ordered = sorted(
            (replace(one, stage=last + 1 - one.stage) for one in found.steps), key=lambda one: one.stage
        )
        return replace(found, steps=tuple(ordered))

    plant.put(planning, "plan", plan)


def _undo_half(plant: Plant) -> None:
    real = Executor._apply

    async def apply(self: Executor, run: Run, action: Apply, patience: float) -> None:
        if not (isinstance(action.mode, modes.Idle) and "provider" in action.appliance):
            await real(self, run, action, patience)

    plant.put(Executor, "_apply", apply)


def _forget_mode(plant: Plant) -> None:
    plant.put(planning, "after", lambda *_: modes.Idle())


def _forget_stages(plant: Plant) -> None:
    real = stored_runs.Runs.take

    def take(self: stored_runs.Runs, name: str) -> stored_runs.Taken | None:
        with self._database.write() as connection:
            connection.execute(run_news._FORGET_STAGES, {"ended": name})
        return real(self, name)

    plant.put(stored_runs.Runs, "take", take)


def _no_fence_at_store(plant: Plant) -> None:
    real = run_news.keep

    def keep(connection: Any, entries: Sequence[run_news.Entry]) -> tuple[int | ProblemError, ...]:
        return real(connection, [replace(one, epoch=one.epoch + 1000) for one in entries])

    plant.put(run_news, "keep", keep)


def _unheard_is_well(plant: Plant) -> None:
    real = Executor._send

    async def send(self: Executor, run: Run, action: Apply, patience: float) -> None:
        run.unheard.clear()
        await real(self, run, action, patience)

    plant.put(Executor, "_send", send)


def _superseded_goes_on(plant: Plant) -> None:
    plant.put(Record, "refuse_superseded", silence)
    plant.put(stages, "_refuse_superseded", silence)


FAULTS: Final = (
    Fault(
        "fence-nobody",
        "who takes over tells no appliance of it",
        _fence_nobody,
        stands="every later message carries the epoch, and a late controller's lease is over",
    ),
    Fault("nest-nothing", "the provider's half waits no longer than the tenant's", _nest_nothing),
    Fault(
        "outlast-nothing",
        "the provider's wait is not extended before the tenant's half is applied",
        _outlast_nothing,
        stands="it waits long from the start; two controllers would have to die in a row",
    ),
    Fault("tenant-waits-longer", "the tenant's half waits five times as long", _tenant_waits_longer),
    Fault("confirm-backwards", "the tenant's half is confirmed first", _confirm_backwards),
    Fault("confirm-half", "the tenant's half is never confirmed", _confirm_half),
    Fault("late-is-well", "a confirmation that came too late counts as one", _late_is_well),
    Fault("take-back-forwards", "what was done first is taken back first", _take_back_forwards),
    Fault(
        "rely-on-nothing",
        "what a silent appliance relies on is taken back",
        lambda plant: plant.put(Stages, "_refuse_relied", silence),
    ),
    Fault("always-heard", "an appliance that did not answer counts as heard", _always_heard),
    Fault("cancel-is-believed", "a take-back without an answer counts as done", _cancel_is_believed),
    Fault("cancel-only", "what awaits no confirmation any more counts as cancelled", _cancel_only),
    Fault(
        "let-nobody-go",
        "a new run cancels what others rely on",
        lambda plant: plant.put(Executor, "_let_go", nothing),
    ),
    Fault(
        "nothing-begun",
        "what the dead controller may have begun is not taken back",
        lambda plant: plant.put(records, "begun", lambda _stage: ()),
    ),
    Fault(
        "nothing-done",
        "a step without an answer counts as one that did nothing",
        lambda plant: plant.put(records, "nothing_done", lambda _error: True),
    ),
    Fault(
        "adopt-nothing",
        "who carries on does not know what awaits a confirmation",
        lambda plant: plant.put(Run, "adopt", silence),
    ),
    Fault("same-epoch", "who takes over acts with the epoch of the one before", _same_epoch),
    Fault(
        "take-over-quietly",
        "who carries on takes itself for the first",
        lambda plant: plant.put(Execution, "_take_over", nothing),
    ),
    Fault("apply-at-once", "the tenant's half is applied before the provider's", _apply_at_once),
    Fault("withdraw-first", "an undo begins with the provider's half", _withdraw_first),
    Fault("undo-half", "the provider's half is never withdrawn", _undo_half),
    Fault("forget-mode", "a run leaves the mode idle, whatever it did", _forget_mode),
    Fault(
        "forget-stages",
        "who carries on begins with the first stage",
        _forget_stages,
        stands="each action finds out what is so already; a restored store remembers no stages either",
    ),
    Fault("no-fence-at-store", "the store lets late controllers write", _no_fence_at_store),
    Fault("unheard-is-well", "the tenant's half is built on a silent provider's", _unheard_is_well),
    Fault(
        "superseded-goes-on",
        "who hears that it is late fails the run all the same",
        _superseded_goes_on,
        stands="the store and the appliances refuse what it does then",
    ),
    Fault(
        "adopt-nobody",
        "nobody looks after runs of the dead",
        lambda plant: plant.put(Guardian, "look", nothing),
    ),
    Fault(
        "submit-once",
        "a run that was opened and not submitted is forgotten",
        lambda plant: plant.put(Runs, "resubmit", nothing),
    ),
    Fault(
        "lease-of-an-hour",
        "a controller acts long after its lease",
        lambda plant: plant.put(leases, "_SHARE", 360.0),
        stands="appliances refuse its epoch, and the store what it tells",
    ),
)
