"""What is remembered of the stages of an open run stands beside its events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "run_stage",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_run_stage_run"),
        sa.PrimaryKeyConstraint("run", "name", name="pk_run_stage"),
        sqlite_strict=True,
    )
