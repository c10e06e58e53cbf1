"""Certificates as the ledger has them: whose, until when, and what became of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_wire.desired import Document
from causeway_wire.types import ApplianceId, Name, SerialNumber, TenantId, Timestamp, TunnelId


class Bearer(StrEnum):
    """Who shows it. `client`: the tenant's end of a tunnel. `server`: the other. `member`: its controller."""

    AGENT = "agent"
    """An appliance, to controllers."""
    CONTROLLER = "controller"
    """A controller, to appliances."""
    GATEWAY = "gateway"
    """A cloud gateway, to tunnels over TCP."""
    CLIENT = "client"
    """The tenant's end of a tunnel."""
    SERVER = "server"
    """The provider's end of a tunnel."""
    MEMBER = "member"
    """A tenant's controller, to the provider's."""


class CertificateState(StrEnum):
    """Whether it counts. One whose time is over is `ended`, also when it was revoked before."""

    COUNTS = "counts"
    REVOKED = "revoked"
    ENDED = "ended"
    """Its time is over; whether it was revoked does not matter any more."""


class RevokedBy(Struct, frozen=True, kw_only=True):
    """Who revoked it, when and why; to who is bound to a tenant only when."""

    at: Timestamp
    actor: str
    reason: str


class CertificateReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate that an authority of this controller has signed."""

    serial: SerialNumber
    number: Annotated[int, Meta(ge=1)]
    """In the order of issue."""
    bearer: Bearer
    name: Name
    """Its common name."""
    begins: Timestamp
    ends: Timestamp
    state: CertificateState
    appliance: ApplianceId | UnsetType = UNSET
    tenant: TenantId | UnsetType = UNSET
    tunnel: TunnelId | UnsetType = UNSET
    seen: Timestamp | UnsetType = UNSET
    """When its bearer was seen with it first."""
    revoked: RevokedBy | UnsetType = UNSET


class Certificates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Certificates, the newest first."""

    certificates: tuple[CertificateReport, ...]
    next: str | UnsetType = UNSET
    """The `cursor` that asks for those after; nothing when these were the last."""


class RevokeCertificate(Document, frozen=True, kw_only=True):
    """Why a certificate is to count no more."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    """For the ledger and the audit; no appliance and no tenant is told."""


class Revoked(Struct, frozen=True, kw_only=True):
    """What counts no more, and what comes of that."""

    certificates: tuple[CertificateReport, ...]
    """The one that was named and all others of its key, as they are now."""
    next: tuple[str, ...]
    """What happens by itself and what is left to do, in sentences."""
