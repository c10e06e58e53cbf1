"""Appliances that were deployed, and how they are."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from causeway_wire.types import ApplianceId, Epoch, Generation, Name, SerialNumber, TenantId


class DeployedAppliance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The appliance that something was done to."""

    appliance: ApplianceId
    tenant: TenantId | UnsetType = UNSET
    """Nothing of a cloud gateway."""
    host: Name | UnsetType = UNSET


class Condition(StrEnum):
    """How an appliance is; the worst first."""

    MISSING = "missing"
    """Its host has no such machine."""
    OFF = "off"
    """Its machine is powered off."""
    SILENT = "silent"
    """It does not answer."""
    REFUSED = "refused"
    """Who answers cannot prove to be it, or shows a certificate that was revoked."""
    DEGRADED = "degraded"
    """It says itself that something is wrong."""
    OTHER_MODE = "other-mode"
    """It is in another failover mode than the last run left it in."""
    OUTDATED = "outdated"
    """It runs another document than the inventory and the last run give."""
    UNKNOWN = "unknown"
    """It was not asked yet."""
    HEALTHY = "healthy"


class ApplianceReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An appliance as it was when it was asked last."""

    appliance: ApplianceId
    condition: Condition
    tenant: TenantId | UnsetType = UNSET
    """Nothing of a cloud gateway."""
    host: Name | UnsetType = UNSET
    trouble: str = ""
    """What is wrong, and what to do; empty while nothing is."""
    since: datetime | UnsetType = UNSET
    """When this condition began."""
    asked: datetime | UnsetType = UNSET
    seen: datetime | UnsetType = UNSET
    """When it answered last."""
    agent: str | UnsetType = UNSET
    """The agent's version."""
    mode: str | UnsetType = UNSET
    intended_mode: str | UnsetType = UNSET
    generation: Generation | UnsetType = UNSET
    """Of the document that it runs."""
    epoch: Epoch | UnsetType = UNSET
    certificate: SerialNumber | UnsetType = UNSET
    """Serial number of the one that it shows."""
    certificate_ends: datetime | UnsetType = UNSET


class ApplianceReports(Struct, frozen=True, kw_only=True):
    """The deployed appliances that the caller may see, the worst first."""

    appliances: tuple[ApplianceReport, ...]


class StoredUpdate(Struct, frozen=True, kw_only=True):
    """An update file that this controller keeps."""

    build: str
    """SHA-256 of its manifest, in hex: what appliances call it."""
    version: str
    octets: int


class Progress(StrEnum):
    """How far the update of an appliance is."""

    UNDER_WAY = "under-way"
    DONE = "done"
    FAILED = "failed"
    """It runs the system before it."""


class UpdateProgress(Struct, frozen=True, kw_only=True):
    """The update of an appliance."""

    appliance: ApplianceId
    progress: Progress
    detail: str = ""
