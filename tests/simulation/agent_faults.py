"""Mistakes in what agents do."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import msgspec

from causeway_agent.engine import admission, conflicts, transition
from causeway_agent.engine.changes import ChangeRunner
from causeway_agent.engine.confirmation import Confirmation, Outcome
from causeway_agent.engine.decisions import Decisions
from causeway_agent.engine.fence import Fence
from causeway_agent.engine.journal import Journal, Recovered
from causeway_agent.engine.service import Engine
from causeway_agent.engine.watch import Watch
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired
from causeway_wire.observed import DuplicateState
from tests.simulation.machines import LateDeadMan
from tests.simulation.planting import Fault, Plant, nothing, silence


def _forget_epoch(plant: Plant) -> None:
    real = Engine.boot

    async def boot(self: Engine) -> None:
        await real(self)
        self.state.epoch = 0

    plant.put(Engine, "boot", boot)


def _epoch_not_prepared(plant: Plant) -> None:
    real = Journal.prepare

    def prepare(self: Journal, change: Change, document: Desired) -> None:
        before = self._pointer.epoch
        real(self, change, document)
        self._write_pointer(msgspec.structs.replace(self._pointer, epoch=before))

    plant.put(Journal, "prepare", prepare)


def _tried_again(plant: Plant) -> None:
    real = ChangeRunner._standing
    plant.put(ChangeRunner, "_standing", lambda self: replace(real(self), spent=None))


def _commit_at_once(plant: Plant) -> None:
    real = Journal.prepare

    def prepare(self: Journal, change: Change, document: Desired) -> None:
        real(self, change, document)
        self.commit()

    plant.put(Journal, "prepare", prepare)


def _boot_attempted(plant: Plant) -> None:
    real = Journal.recover

    def recover(self: Journal) -> Recovered:
        found = real(self)
        return replace(found, document=found.interrupted or found.document)

    plant.put(Journal, "recover", recover)


def _no_deadline(plant: Plant, *, dead_man: bool) -> None:
    real = Confirmation.__init__

    def init(self: Confirmation, change: str, *, clock: Any, seconds: float) -> None:
        real(self, change, clock=clock, seconds=seconds)
        self._until = math.inf

    plant.put(Confirmation, "__init__", init)
    if not dead_man:
        plant.put(LateDeadMan, "arm", nothing)


def _end_twice(plant: Plant) -> None:
    def end(self: Confirmation, outcome: Outcome) -> bool:
        self._outcome = outcome
        self._moved.send()
        return True

    plant.put(Confirmation, "end", end)


def _cancel_in_words(plant: Plant) -> None:
    async def cancel(self: Decisions, identifier: str, *, epoch: int | None) -> Change:
        found = self._kept(identifier)
        self._confirmation(found)
        return msgspec.structs.replace(found, state=ChangeState.ROLLED_BACK)

    plant.put(Decisions, "cancel", cancel)


def _confirm_in_words(plant: Plant) -> None:
    async def confirm(self: Decisions, identifier: str, *, connected: float | None, epoch: int) -> Change:
        found = self._kept(identifier)
        return msgspec.structs.replace(found, state=ChangeState.DONE)

    plant.put(Decisions, "confirm", confirm)


def _shorter_wait(plant: Plant) -> None:
    real = Confirmation.__init__

    def init(self: Confirmation, change: str, *, clock: Any, seconds: float) -> None:
        real(self, change, clock=clock, seconds=seconds / 8)

    plant.put(Confirmation, "__init__", init)


def _many_in_flight(plant: Plant) -> None:
    real = admission.admit

    def admit(new: Any, standing: Any, preconditions: Any, **more: Any) -> None:
        real(new, replace(standing, in_flight=None), preconditions, **more)

    plant.put(admission, "admit", admit)


async def _back_in_words(_machine: Any, state: Any, _previous: Any, _seen: Any) -> str:
    state.settle()
    return "the previous document is in force again"


def _taken_never(plant: Plant) -> None:
    async def conflict(*_args: Any) -> None:
        return None

    plant.put(transition, "conflict", conflict)


def _roll_back_forgotten(plant: Plant) -> None:
    async def decided(self: ChangeRunner, applied: Any, change: Change, outcome: Outcome) -> Change:
        if outcome is not Outcome.CONFIRMED:
            return self._final(change, ChangeState.ROLLED_BACK, None)
        final: Change = await real(self, applied, change, outcome)
        return final

    real = plant.put(ChangeRunner, "_decided", decided)


FAULTS: Final = (
    Fault("let-older-in", "an older epoch is not refused", lambda plant: plant.put(Fence, "check", silence)),
    Fault("forget-epoch", "a restart forgets the epoch", _forget_epoch),
    Fault("epoch-not-prepared", "a document's epoch is not written with it", _epoch_not_prepared),
    Fault(
        "fence-in-memory",
        "an epoch that was only shown is not written",
        lambda plant: plant.put(Journal, "fence", silence),
    ),
    Fault(
        "commit-nothing",
        "the pointer does not move",
        lambda plant: plant.put(Journal, "commit", silence),
    ),
    Fault("commit-at-once", "the pointer moves before the confirmation", _commit_at_once),
    Fault("boot-attempted", "a start takes the attempted document for the one in force", _boot_attempted),
    Fault("no-deadline", "no wait ever ends by itself", lambda plant: _no_deadline(plant, dead_man=False)),
    Fault(
        "no-deadline-inside",
        "the agent's own deadline does not end the wait",
        lambda plant: _no_deadline(plant, dead_man=True),
        stands="the one outside the agent ends it two seconds later",
    ),
    Fault("end-twice", "a wait that has ended may end otherwise", _end_twice),
    Fault("cancel-in-words", "a cancelled change is only said to be", _cancel_in_words),
    Fault("confirm-in-words", "a confirmed change is only said to be", _confirm_in_words),
    Fault(
        "extend-in-words",
        "a longer wait is only said to be one",
        lambda plant: plant.put(Confirmation, "extend", lambda _self, _seconds: True),
    ),
    Fault("shorter-wait", "a change waits for an eighth of what was said", _shorter_wait),
    Fault(
        "any-generation",
        "a document of an older generation is admitted",
        lambda plant: plant.put(admission, "_check_generation", silence),
    ),
    Fault(
        "tried-again",
        "what was taken back is admitted once more under its generation",
        _tried_again,
        linked=True,
    ),
    Fault("many-in-flight", "a document is admitted while another awaits", _many_in_flight),
    Fault(
        "back-in-words",
        "going back is only said",
        lambda plant: plant.put(transition, "go_back", _back_in_words),
        stands="the reconciler looks after each change, and repairs",
    ),
    Fault("roll-back-forgotten", "what was not confirmed stays what is enforced", _roll_back_forgotten),
    Fault("ask-nobody", "an address is claimed although somebody answers for it", _taken_never),
    Fault(
        "contest-never",
        "an answer that comes late is not heard",
        lambda plant: plant.put(Watch, "seen", silence),
    ),
    Fault(
        "late-is-told",
        "a claim over a late answer is not given back",
        lambda plant: plant.put(Watch, "_verdict", lambda *_: DuplicateState.CONTESTED),
    ),
    Fault(
        "override-all",
        "every answer counts as stale",
        lambda plant: plant.put(conflicts, "is_overridden", lambda *_: True),
    ),
)
