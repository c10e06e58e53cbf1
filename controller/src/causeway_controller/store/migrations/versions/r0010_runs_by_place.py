"""Runs are found by tenant and host, however many there were."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_run_tenant_host_at", "run", ["tenant", "host", "at"])
