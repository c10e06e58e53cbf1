"""Tells when the certificate of the API is due to be replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from causeway_controller import system_words
from causeway_controller.contract.status import Trouble
from causeway_controller.inventory import certificates
from causeway_controller.trust import pki


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateWatch:
    """Reads the certificate each time it is asked."""

    certificate: Path
    now: Callable[[], datetime]

    async def troubles(self) -> tuple[Trouble, ...]:
        """A trouble when two thirds of its life are over, or it cannot be read."""
        detail = await asyncio.to_thread(self._detail)
        return () if detail is None else (Trouble(subject="certificate of the API", detail=detail),)

    def _detail(self) -> str | None:
        where = f"put another one at {self.certificate} and send the controller SIGHUP"
        try:
            due = self.now() >= certificates.renew_at(*pki.validity(self.certificate.read_text()))
        except (OSError, ValueError) as error:
            return f"it cannot be read ({system_words.why(error)}); {where}"
        return f"two thirds of its life are over; {where}" if due else None
