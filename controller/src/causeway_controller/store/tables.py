"""The tables as they are now. How older ones become these is in `migrations`.

Values are of types that both databases keep alike: text without NUL, integers, documents as canonical JSON,
moments as text that sorts by time. What is never changed (revisions, runs, events, certificates, the audit)
is guarded by triggers besides: not even a defect of the controller rewrites it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

APPEND_ONLY = ("inventory_revision", "run", "run_event", "audit", "certificate", "certificate_event")


class Words(TypeDecorator[str]):
    """Text. PostgreSQL cannot keep NUL, SQLite would: neither is asked to."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        if value is not None and "\0" in value:
            raise ValueError("text for the store has a NUL character in it; remove it")
        return None if value is None else str(value)  # a StrEnum would reach PostgreSQL by its member's name


class Moment(TypeDecorator[datetime]):
    """An aware datetime, as RFC 3339 text in UTC with microseconds."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else datetime.fromisoformat(value)


def _number() -> Any:
    """64 bits in both; the stricter tables of SQLite have no BIGINT."""
    return BigInteger().with_variant(Integer(), "sqlite")


def _only_row() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=False)


inventory_head = Table(
    "inventory_head",
    METADATA,
    _only_row(),
    Column("revision", _number(), nullable=False),
    CheckConstraint("id = 1", name="only_row"),
    sqlite_strict=True,
)
inventory_revision = Table(
    "inventory_revision",
    METADATA,
    Column("number", _number(), primary_key=True, autoincrement=False),
    Column("digest", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
entry = Table(
    "entry",
    METADATA,
    Column("kind", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("document", Words, nullable=False),
    sqlite_strict=True,
)
vlan_lease = Table(
    "vlan_lease",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("plan", Words, primary_key=True),
    Column("network", Words, primary_key=True),
    Column("host", Words, nullable=False),
    Column("switch", Words, nullable=False),
    Column("vlan", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    UniqueConstraint("host", "switch", "vlan"),
    sqlite_strict=True,
)
mac_lease = Table(
    "mac_lease",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("host", Words, primary_key=True),
    Column("adapter", Words, primary_key=True),
    Column("mac", Words, nullable=False),
    Column("place", Integer, nullable=False),
    UniqueConstraint("mac"),
    sqlite_strict=True,
)
tunnel_lease = Table(
    "tunnel_lease",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("network", Words, primary_key=True),
    Column("slot", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    UniqueConstraint("tenant", "slot"),
    sqlite_strict=True,
)
public_lease = Table(
    "public_lease",
    METADATA,
    Column("address", Words, primary_key=True),
    Column("tenant", Words, nullable=False),
    Column("place", Integer, nullable=False),
    sqlite_strict=True,
)
counter = Table(
    "counter",
    METADATA,
    Column("kind", Words, primary_key=True),
    Column("owner", Words, primary_key=True),
    Column("last", _number(), nullable=False),
    sqlite_strict=True,
)
master_key = Table(
    "master_key",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("salt", Words, nullable=False),
    Column("proof", Words, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
secret = Table(
    "secret",
    METADATA,
    Column("kind", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    Column("key", Integer, ForeignKey("master_key.number"), nullable=False),
    Column("sealed", Words, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
authority = Table(
    "authority",
    METADATA,
    Column("kind", Words, primary_key=True),
    Column("owner", Words, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("certificate", Words, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("trusted", Moment),
    Column("retired", Moment),
    sqlite_strict=True,
)
certificate = Table(
    "certificate",
    METADATA,
    Column("serial", Words, primary_key=True),
    Column("number", _number(), nullable=False),
    Column("slot", Words, nullable=False),
    Column("purpose", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("appliance", Words),
    Column("tenant", Words),
    Column("tunnel", Words),
    Column("kind", Words, nullable=False),
    Column("owner", Words, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("pem", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("at", Moment, nullable=False),
    ForeignKeyConstraint(
        ["kind", "owner", "generation"], ["authority.kind", "authority.owner", "authority.generation"]
    ),
    UniqueConstraint("number"),
    UniqueConstraint("slot", "number"),
    sqlite_strict=True,
)
certificate_event = Table(
    "certificate_event",
    METADATA,
    Column("serial", Words, ForeignKey("certificate.serial"), primary_key=True),
    Column("event", Words, primary_key=True),
    Column("reason", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
run = Table(
    "run",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("tenant", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("request", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
run_event = Table(
    "run_event",
    METADATA,
    Column("run", Words, ForeignKey("run.id"), primary_key=True),
    Column("number", _number(), primary_key=True, autoincrement=False),
    Column("epoch", _number(), nullable=False),
    Column("kind", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
open_run = Table(
    "open_run",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("host", Words, primary_key=True),
    Column("run", Words, ForeignKey("run.id"), nullable=False),
    UniqueConstraint("run"),
    sqlite_strict=True,
)
audit_head = Table(
    "audit_head",
    METADATA,
    _only_row(),
    Column("number", _number(), nullable=False),
    Column("hash", Words, nullable=False),
    CheckConstraint("id = 1", name="only_row"),
    sqlite_strict=True,
)
audit = Table(
    "audit",
    METADATA,
    Column("number", _number(), primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("previous", Words, nullable=False),
    Column("hash", Words, nullable=False),
    sqlite_strict=True,
)
token = Table(
    "token",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("tenant", Words),
    Column("made", Moment, nullable=False),
    Column("made_by", Words, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("revoked", Moment),
    sqlite_strict=True,
)
idempotency = Table(
    "idempotency",
    METADATA,
    Column("caller", Words, primary_key=True),
    Column("key", Words, primary_key=True),
    Column("fingerprint", Words, nullable=False),
    Column("answer", Words),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
controller = Table(
    "controller",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("until", _number(), nullable=False),
    sqlite_strict=True,
)
run_stop = Table(
    "run_stop",
    METADATA,
    Column("run", Words, ForeignKey("run.id"), primary_key=True),
    Column("actor", Words, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
tenancy = Table(
    "tenancy",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("host", Words, primary_key=True),
    Column("mode", Words, nullable=False),
    Column("publications", Words),
    sqlite_strict=True,
)
appliance = Table(
    "appliance",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("tenant", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("port", Integer, nullable=False),
    Column("entered", Moment, nullable=False),
    Column("condition", Words, nullable=False),
    Column("cause", Words, nullable=False),
    Column("since", Moment),
    Column("asked", Moment),
    Column("seen", Moment),
    Column("agent", Words),
    Column("serial", Words),
    Column("begins", Moment),
    Column("ends", Moment),
    Column("mode", Words),
    Column("intended", Words),
    Column("generation", _number()),
    Column("epoch", _number()),
    Column("trusts", Words, nullable=False),
    UniqueConstraint("tenant", "host"),
    sqlite_strict=True,
)
invitation = Table(
    "invitation",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("tenant", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Column("made", Moment, nullable=False),
    Column("made_by", Words, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("revoked", Moment),
    Column("accepted", Moment),
    Column("key", Words),
    Column("serial", Words),
    Column("alarms", Integer, nullable=False),
    Column("alarm_at", Moment),
    Column("alarm_from", Words),
    sqlite_strict=True,
)
member = Table(
    "member",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("joined", Moment, nullable=False),
    Column("seen", Moment),
    Column("knows", Words),
    sqlite_strict=True,
)
peer_key = Table(
    "peer_key",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("pin", Words, nullable=False),
    Column("made", Moment, nullable=False),
    Column("used", Moment),
    sqlite_strict=True,
)
provider_link = Table(
    "provider_link",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("url", Words, nullable=False),
    Column("tenant", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("pins", Words, nullable=False),
    Column("certificate", Words),
    Column("joined", Moment),
    Column("seen", Moment),
    Column("trouble", Words),
    sqlite_strict=True,
)
