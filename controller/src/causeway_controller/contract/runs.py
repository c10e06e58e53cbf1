"""Runs as they are told: what was asked for, what came of it so far, what would come of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from causeway_wire.types import Name, TenantId, Timestamp, VmName, shaped

RunId = Annotated[
    str,
    shaped(
        r"^[a-z0-9][a-z0-9-]{0,63}(?!\n)$",
        "the name of a run: 1 to 64 lower-case letters, digits and hyphens, the first no hyphen",
    ),
]


class RunReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run."""

    id: RunId
    tenant: TenantId | UnsetType = UNSET
    """Nothing where the run is about the whole fleet, or about a cloud gateway."""
    host: Name | UnsetType = UNSET
    """Of a cloud gateway its own name."""
    request: Raw
    """As it was asked for: the document of the request that started it."""
    actor: str
    at: Timestamp
    open: bool
    """Whether it still goes on, or waits to be retried."""
    last: RunEventReport | UnsetType = UNSET
    """What came of it last."""

    @property
    def where(self) -> str:
        """What it is about, in words."""
        if self.tenant:
            return f"{self.tenant} on {self.host}" if self.host else self.tenant
        return f"gateway {self.host}" if self.host else "all appliances"


class RunEventReport(Struct, frozen=True, kw_only=True):
    """Something that came of a run."""

    number: Annotated[int, Meta(ge=1)]
    """From 1 within its run, without gaps."""
    kind: str
    detail: Raw
    """A JSON value; of a step its title and what became of it."""
    at: Timestamp


class RunReports(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Runs, the newest first."""

    runs: tuple[RunReport, ...]
    next: str | UnsetType = UNSET
    """The `cursor` that asks for those before; nothing when these were the first."""


class RunEventReports(Struct, frozen=True, kw_only=True):
    """Events of a run in their order, and whether more may come."""

    events: tuple[RunEventReport, ...]
    open: bool


class PlannedRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request would do now; nothing has been done."""

    stages: tuple[tuple[str, ...], ...]
    """In their order; the steps of a stage, in words, are done at once."""
    replicas: tuple[PlannedReplica, ...] = ()
    """Those that would be started."""
    notes: tuple[str, ...] = ()
    """What could not be checked, such as the half of a provider that does not answer, and what it would have
    to wait for.
    """


class PlannedReplica(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A replica that a run would start."""

    vm: VmName
    restored_to: Timestamp | UnsetType = UNSET
    """The moment of production that it would start with; nothing where nobody told."""
