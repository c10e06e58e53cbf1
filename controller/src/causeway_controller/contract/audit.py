"""The audit as it is told: who did what and when, in a chain of hashes."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_wire.types import Timestamp, sha256

Hash = Annotated[str, sha256("SHA-256, lower-case hexadecimal")]


class AuditRecord(Struct, frozen=True, kw_only=True):
    """What somebody did."""

    number: Annotated[int, Meta(ge=1)]
    at: Timestamp
    actor: str
    action: str
    subject: str
    detail: str
    previous: Hash
    hash: Hash
    """Of the record and of the hash before it."""


class AuditRecords(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Records, the oldest first."""

    records: tuple[AuditRecord, ...]
    next: str | UnsetType = UNSET
    """The `cursor` that asks for those after; nothing when these were the last."""


class AuditVerdict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the records are what was written. Keep the hash elsewhere: it vouches for all up to it."""

    whole: bool
    number: Annotated[int, Meta(ge=0)]
    """Of the last record."""
    hash: Hash
    """Of the last record."""
    broken_at: int | UnsetType = UNSET
    """The first record that is not what was written."""
