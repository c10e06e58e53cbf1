"""Tenants' controllers that join, the keys that they know the provider by, and the providers one joined."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "invitation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("expires", sa.Text(), nullable=False),
        sa.Column("revoked", sa.Text(), nullable=True),
        sa.Column("accepted", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("alarms", sa.Integer(), nullable=False),
        sa.Column("alarm_at", sa.Text(), nullable=True),
        sa.Column("alarm_from", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_invitation"),
        sqlite_strict=True,
    )
    op.create_table(
        "member",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("joined", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=True),
        sa.Column("knows", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", name="pk_member"),
        sqlite_strict=True,
    )
    op.create_table(
        "peer_key",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("pin", sa.Text(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.Column("used", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_peer_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "provider_link",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pins", sa.Text(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("joined", sa.Text(), nullable=True),
        sa.Column("seen", sa.Text(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_provider_link"),
        sqlite_strict=True,
    )
