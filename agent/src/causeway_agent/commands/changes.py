"""`causeway-agent journal`: the last changes with their operations, read from the disk."""

from __future__ import annotations

from causeway_agent.engine.journal import Recovered
from causeway_wire.change import Change, OperationReport, OperationState

_MARKS = {OperationState.DONE: "+", OperationState.FAILED: "!", OperationState.PENDING: " "}


def render(recovered: Recovered) -> list[str]:
    """One block per change, oldest first, then what cannot be read."""
    lines = []
    for change in recovered.changes:
        lines.append(_headline(change))
        lines += [_operation(operation) for operation in change.operations]
        if change.problem is not None:
            lines.append(f"  because: {change.problem.detail}")
    if not recovered.changes:
        lines.append("no changes yet")
    if recovered.document is not None:
        lines.append(f"in force: generation {recovered.document.generation}")
    lines += [f"damaged: {sentence}" for sentence in recovered.damage]
    return lines


def _headline(change: Change) -> str:
    took = ""
    if change.finished is not None:
        took = f" in {(change.finished - change.created).total_seconds() * 1000:.0f} ms"
    elif change.deadline is not None:
        took = f", taken back unless confirmed before {change.deadline:%Y-%m-%d %H:%M:%S}"
    return (
        f"{change.created:%Y-%m-%d %H:%M:%S} {change.id} {change.state.value}{took}, "
        f"epoch {change.epoch}, by {change.requested_by}"
    )


def _operation(operation: OperationReport) -> str:
    took = f" ({operation.milliseconds:.1f} ms)" if operation.milliseconds is not None else ""
    return f"  {_MARKS[operation.state]} {operation.description}{took}"
