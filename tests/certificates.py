"""Certificates of a ledger, made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from causeway_controller.inventory.certificates import Issued, Subject

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def issued(
    number: int,
    subject: Subject,
    *,
    generation: int = 1,
    days: int = 300,
    installed: bool = False,
    revoked: bool = False,
) -> Issued:
    """A certificate that began at NOW, or a year before when it ended `-days` ago."""
    return Issued(
        number=number,
        serial=f"a{number:x}",
        subject=subject,
        generation=generation,
        not_before=NOW if days > 0 else NOW - timedelta(days=365),
        not_after=NOW + timedelta(days=days),
        installed=NOW if installed else None,
        revoked=NOW if revoked else None,
    )
