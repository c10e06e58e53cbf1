"""From a run and its events to one document about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from causeway_controller.contract import run_events
from causeway_controller.contract.run_summary import RunSummary, StepSummary, VmSummary
from causeway_controller.contract.runs import RunEventReport, RunReport
from causeway_controller.failover.events import THROUGH

_WAITED: Final = {"started": "under way", "failed": "late", "skipped": "failed", "done": "ready"}
_STARTED: Final = {"started": "under way", "failed": "failed", "skipped": "skipped", "undone": "undone"}


@dataclass(slots=True)
class _Vm:
    """What is known of a VM so far."""

    state: str = "under way"
    began: datetime | None = None
    ready: datetime | None = None
    error: str | None = None


@dataclass(slots=True)
class _Told:
    """What the events told so far."""

    began: datetime | None = None
    controllers: dict[str, None] = field(default_factory=dict)
    stages: Sequence[Sequence[str]] = ()
    steps: dict[str, StepSummary] = field(default_factory=dict)
    vms: dict[str, _Vm] = field(default_factory=dict)
    mode_before: Raw | UnsetType = UNSET
    restored: Mapping[str, str] = field(default_factory=dict)
    end: Mapping[str, Any] = field(default_factory=dict)


def of(run: RunReport, events: Iterable[RunEventReport]) -> RunSummary:
    """Return the summary of a run of which this came so far, in its order."""
    told, last = _Told(), None
    for event in events:
        _hear(told, event)
        last = event
    ended = last is not None and last.kind in run_events.LAST
    end = told.end
    return RunSummary(
        run=run,
        state=last.kind if last is not None and ended else "under way",
        began=told.began or UNSET,
        ended=last.at if last is not None and ended else UNSET,
        seconds=UNSET if last is None or told.began is None else _between(told.began, last.at),
        controllers=tuple(told.controllers),
        stages=tuple(
            tuple(told.steps.get(one, StepSummary(step=one, state="planned")) for one in stage)
            for stage in told.stages
        ),
        vms=tuple(_vms(told)),
        why=end.get("why", ""),
        undone=tuple(end.get("undone", ())),
        kept=tuple(end.get("kept", ())),
        stand=tuple(end.get("stand", ())),
        mode_before=told.mode_before,
        mode=Raw(msgspec.json.encode(end["mode"])) if "mode" in end else UNSET,
        now=end.get("now", {}),
    )


def _hear(told: _Told, event: RunEventReport) -> None:
    detail = msgspec.json.decode(bytes(event.detail), type=dict[str, Any])
    match event.kind:
        case run_events.STARTED:
            told.began, told.stages = event.at, detail.get("stages", ())
            told.mode_before = Raw(msgspec.json.encode(detail["mode"])) if "mode" in detail else UNSET
            told.restored = detail.get("restored", {})
            _carried_out_by(told, detail)
        case run_events.TAKEN_OVER:
            _carried_out_by(told, detail)
        case run_events.STEP:
            told.steps[detail["step"]] = StepSummary(
                step=detail["step"],
                state=detail["state"],
                seconds=detail.get("seconds", 0.0),
                error=detail.get("error"),
            )
            if "vm" in detail:
                _hear_of_vm(told.vms.setdefault(detail["vm"], _Vm()), detail, event.at)
        case _:
            told.end = detail if event.kind in run_events.LAST else told.end


def _carried_out_by(told: _Told, detail: Mapping[str, Any]) -> None:
    if "controller" in detail:
        told.controllers[detail["controller"]] = None


def _hear_of_vm(vm: _Vm, detail: Mapping[str, Any], at: datetime) -> None:
    """Time-to-ready counts from the first time that it was powered on: a successor does it once more."""
    state, does = detail["state"], detail["does"]
    if does == "stop":
        vm.state = "stopped" if state in THROUGH else _STARTED.get(state, vm.state)
    elif does == "start":
        vm.began = vm.began or at
        vm.state = "started" if state in THROUGH else _STARTED.get(state, vm.state)
        vm.ready = at if state in THROUGH else None
    elif vm.state not in {"failed", "skipped"}:
        vm.state = "ready" if state in THROUGH else _WAITED.get(state, vm.state)
        vm.ready = at if state in THROUGH else None
    vm.error = detail.get("error", vm.error)


def _vms(told: _Told) -> list[VmSummary]:
    """In the order in which they became ready; the others after them, by name."""
    ready = [(name, vm) for name, vm in told.vms.items() if vm.ready is not None]
    ready.sort(key=lambda pair: (pair[1].ready, pair[0]))
    others = sorted((pair for pair in told.vms.items() if pair[1].ready is None), key=lambda pair: pair[0])
    return [_vm(told, name, vm) for name, vm in (*ready, *others)]


def _vm(told: _Told, name: str, vm: _Vm) -> VmSummary:
    seconds: float | UnsetType = UNSET
    since: float | UnsetType = UNSET
    if vm.ready is not None and vm.began is not None:
        seconds = _between(vm.began, vm.ready)
        since = UNSET if told.began is None else _between(told.began, vm.ready)
    point = told.restored.get(name)
    restored = UNSET if point is None else datetime.fromisoformat(point)
    return VmSummary(
        vm=name, state=vm.state, seconds=seconds, since=since, restored_to=restored, error=vm.error
    )


def _between(first: datetime, second: datetime) -> float:
    return max(0.0, round((second - first).total_seconds(), 3))
