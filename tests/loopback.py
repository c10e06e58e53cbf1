"""A port of loopback for a server that a test starts, and the wait until it listens there."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Final

import pytest

from image import subject

_SECONDS: Final = 30.0
_PAUSE: Final = 0.02


def free_port() -> int:
    """Choose one that was free just now."""
    (port,) = subject.free_ports(1)
    return port


def until_listens(port: int, *, log: Path | None = None) -> None:
    """Wait until a server listens there. Fails the test with its log when none does."""
    deadline = time.monotonic() + _SECONDS
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if time.monotonic() > deadline:
            pytest.fail(f"nobody listens at {port}: {log.read_text() if log is not None else 'no log'}")
        time.sleep(_PAUSE)
