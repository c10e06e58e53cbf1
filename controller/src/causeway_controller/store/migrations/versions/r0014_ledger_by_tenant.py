"""Certificates are found by tenant and by purpose, however many there were."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the indexes."""
    for column in ("tenant", "purpose"):
        op.create_index(f"ix_certificate_{column}_slot_number", "certificate", [column, "slot", "number"])
