"""Stages of an open run are remembered beside its events; who settled a mode is found at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "run_stage",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_run_stage_run"),
        sa.PrimaryKeyConstraint("run", "name", name="pk_run_stage"),
        sqlite_strict=True,
    )
    settled = sa.text("kind = 'settled'")
    op.create_index(
        "ix_run_event_settled", "run_event", ["run"], sqlite_where=settled, postgresql_where=settled
    )
