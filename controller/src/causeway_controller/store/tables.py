"""The tables as they are now. How older ones become these is in `migrations`.

Values are of types that both databases keep alike: text without NUL, integers, documents as canonical JSON,
moments as text that sorts by time. What is never changed (revisions, runs, events, certificates, the audit)
is guarded by triggers besides: not even a defect of the controller rewrites it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    text,
)

from causeway_controller.store.columns import METADATA, Moment, Words, number, only_row

APPEND_ONLY = ("inventory_revision", "run", "run_event", "audit", "certificate", "certificate_event")
_IS_SETTLED: Final = text("kind = 'settled'")

inventory_head = Table(
    "inventory_head",
    METADATA,
    only_row(),
    Column("revision", number(), nullable=False),
    CheckConstraint("id = 1", name="only_row"),
    sqlite_strict=True,
)
inventory_revision = Table(
    "inventory_revision",
    METADATA,
    Column("number", number(), primary_key=True, autoincrement=False),
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
    Column("last", number(), nullable=False),
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
    Column("number", number(), nullable=False),
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
    Column("key", Words),
    ForeignKeyConstraint(
        ["kind", "owner", "generation"], ["authority.kind", "authority.owner", "authority.generation"]
    ),
    UniqueConstraint("number"),
    UniqueConstraint("slot", "number"),
    Index("ix_certificate_tenant_slot_number", "tenant", "slot", "number"),
    Index("ix_certificate_purpose_slot_number", "purpose", "slot", "number"),
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
    Index("ix_run_tenant_host_at", "tenant", "host", "at"),
    sqlite_strict=True,
)
run_event = Table(
    "run_event",
    METADATA,
    Column("run", Words, ForeignKey("run.id"), primary_key=True),
    Column("number", number(), primary_key=True, autoincrement=False),
    Column("epoch", number(), nullable=False),
    Column("kind", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_run_event_settled", "run", sqlite_where=_IS_SETTLED, postgresql_where=_IS_SETTLED),
    sqlite_strict=True,
)
run_stage = Table(
    "run_stage",
    METADATA,
    Column("run", Words, ForeignKey("run.id"), primary_key=True),
    Column("name", Words, primary_key=True),
    Column("record", Words, nullable=False),
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
    only_row(),
    Column("number", number(), nullable=False),
    Column("hash", Words, nullable=False),
    CheckConstraint("id = 1", name="only_row"),
    sqlite_strict=True,
)
audit = Table(
    "audit",
    METADATA,
    Column("number", number(), primary_key=True, autoincrement=False),
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
    Column("until", number(), nullable=False),
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
    Column("generation", number()),
    Column("epoch", number()),
    Column("trusts", Words, nullable=False),
    UniqueConstraint("tenant", "host"),
    sqlite_strict=True,
)
replica_told = Table(
    "replica_told",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("vm", Words, primary_key=True),
    Column("host", Words, nullable=False),
    Column("vm_id", Words, nullable=False),
    Column("restored_to", Moment),
    Column("addresses", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", Words, nullable=False),
    sqlite_strict=True,
)
