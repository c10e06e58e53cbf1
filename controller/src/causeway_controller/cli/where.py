"""Which controller is asked, and as whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SOCKET: Final = Path("/run/causeway/controller.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which controller, and as whom. Without a server, the one on this host."""

    server: str | None = None
    """Its URL, such as https://controller.example:8444."""
    socket: Path = SOCKET
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        return self.server or f"the socket {self.socket}"
