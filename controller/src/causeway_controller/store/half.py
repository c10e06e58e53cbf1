"""What is kept of one half; who only names it, such as the lab's commands, need not load the database."""

from __future__ import annotations

from dataclasses import dataclass

from causeway_controller.contract.halves import Word
from causeway_controller.contract.runs import RunId
from causeway_wire.types import Epoch, Name, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """A half as its tenant's controller wants it."""

    tenant: TenantId
    name: Name
    epoch: Epoch
    run: RunId | None
    """The provider's run; None before it was opened."""
    held: bool
    """Whether it has served, so that something may rely on it."""
    asked: int
    """How often it was to be held on."""
    seconds: int
    """For how long, the last time."""
    given: int
    """How many of those were done."""
    word: Word | None
    kept: bool = False
    """Whether its appliance keeps it: the tenant's controller relies on it, whatever becomes of the run."""
    overtaken: bool = False
    """Whether a full failover takes its place: then it goes, whatever relies on it."""
    stop: bool = False
    """Whether somebody asked that its run stop."""
