"""The tables about the other site's controllers, at a provider and at a tenant; as in `tables`."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from causeway_controller.store.columns import METADATA, Moment, Words, number

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
half = Table(
    "half",
    METADATA,
    Column("tenant", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    Column("epoch", number(), nullable=False),
    Column("run", Words, unique=True),
    Column("held", Integer, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("given", Integer, nullable=False),
    Column("word", Words),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
provider_told = Table(
    "provider_told",
    METADATA,
    Column("provider", Words, primary_key=True),
    Column("document", Words, nullable=False),
    sqlite_strict=True,
)
told_revocation = Table(
    "told_revocation",
    METADATA,
    Column("provider", Words, primary_key=True),
    Column("serial", Words, primary_key=True),
    Column("at", Moment, nullable=False),
    sqlite_strict=True,
)
tunnel_end = Table(
    "tunnel_end",
    METADATA,
    Column("provider", Words, primary_key=True),
    Column("network", Words, primary_key=True),
    Column("document", Words, nullable=False),
    sqlite_strict=True,
)
