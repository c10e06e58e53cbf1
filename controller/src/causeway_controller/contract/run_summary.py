"""A run in one document: what it did and how long it took, when each VM was ready, and what is where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from causeway_controller.contract.runs import RunReport
from causeway_wire.types import Timestamp, VmName

Seconds = Annotated[float, Meta(ge=0)]


class StepSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step and how it ended."""

    step: str
    state: str
    """`planned` until it begins."""
    seconds: Seconds = 0.0
    error: str | None = None


class VmSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A VM whose replica the run started or stopped."""

    vm: VmName
    state: str
    """`ready`, `started`, `late`, `failed`, `skipped`, `stopped`, `undone`, or `under way`."""
    seconds: Seconds | UnsetType = UNSET
    """From power on to ready, whichever controllers carried the run out."""
    since: Seconds | UnsetType = UNSET
    """From the beginning of the run to ready."""
    restored_to: Timestamp | UnsetType = UNSET
    """The moment of production that the replica started with; nothing where nobody told."""
    error: str | None = None


class RunSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run."""

    run: RunReport
    state: str
    """`finished`, `failed`, or `under way`."""
    began: Timestamp | UnsetType = UNSET
    ended: Timestamp | UnsetType = UNSET
    seconds: Seconds | UnsetType = UNSET
    """From the beginning to the end, or to the last event so far."""
    controllers: tuple[str, ...] = ()
    """Who carried it out, in their order."""
    stages: tuple[tuple[StepSummary, ...], ...] = ()
    vms: tuple[VmSummary, ...] = ()
    """In the order in which they became ready; those that did not come last."""
    why: str = ""
    """Why it failed."""
    undone: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """What could not be undone."""
    stand: tuple[str, ...] = ()
    """Steps whose effect is still there, of a run that failed."""
    mode_before: Raw | UnsetType = UNSET
    mode: Raw | UnsetType = UNSET
    """The tenant's mode as the run left it."""
    now: Mapping[str, Mapping[str, str]] = {}
    """When it ended: `appliances` and their modes, `vms` and their power, `addresses` and who holds them."""
