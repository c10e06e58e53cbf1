"""Certificates know what their keys are called, and a tenant's controller what its providers revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column, and make the table."""
    op.add_column("certificate", sa.Column("key", sa.Text()))
    op.create_table(
        "told_revocation",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "serial", name="pk_told_revocation"),
        sqlite_strict=True,
    )
