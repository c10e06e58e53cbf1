"""Controllers' leases, requests to stop a run, and what each tenancy is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "controller",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_controller"),
        sqlite_strict=True,
    )
    op.create_table(
        "run_stop",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_run_stop_run"),
        sa.PrimaryKeyConstraint("run", name="pk_run_stop"),
        sqlite_strict=True,
    )
    op.create_table(
        "tenancy",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("publications", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "host", name="pk_tenancy"),
        sqlite_strict=True,
    )
