"""What providers told a tenant's controller: its resources, and the ends of its tunnels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "provider_told",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_provider_told"),
        sqlite_strict=True,
    )
    op.create_table(
        "tunnel_end",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "network", name="pk_tunnel_end"),
        sqlite_strict=True,
    )
