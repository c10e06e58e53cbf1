"""What came of a throw-away machine's way through a host: a report to attach to a bug."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from causeway_controller.contract.hosts import Finding
from causeway_controller.contract.provider import HostKind
from causeway_wire.types import Name


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """One before it failed, and it needs that."""


class SelftestStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was done with the machine."""

    name: str
    outcome: Outcome
    seconds: float
    detail: str = ""
    """What came of it, or what was refused; secrets are masked."""


class SelftestReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole way. `passed`: every step was done."""

    host: Name
    kind: HostKind
    causeway: str
    """The version that did it."""
    at: datetime
    passed: bool
    steps: tuple[SelftestStep, ...]
    networks: tuple[str, ...] = ()
    """What its vNICs were plugged into, as the host calls it."""
    findings: tuple[Finding, ...] = ()
    """As `causeway host check` has them, without replicas."""
