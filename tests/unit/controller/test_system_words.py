"""Why nobody was reached: one sentence of the system's, whichever library asked."""

from __future__ import annotations

import socket
import ssl
from errno import ECONNREFUSED, EHOSTUNREACH
from types import SimpleNamespace

import pytest

from causeway_controller import system_words


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(ECONNREFUSED, "Connect call failed ('::1', 8444)"), "connection refused"),
        (SimpleNamespace(os_error=OSError(EHOSTUNREACH, "Connect call failed")), "no route to host"),
        (SimpleNamespace(os_error=socket.gaierror(-2, "Name not known")), "Name not known"),
        (SimpleNamespace(os_error=ssl.SSLError(1, "[SSL] wrong version")), "[SSL] wrong version"),
        (ValueError("Server disconnected"), "Server disconnected"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_systems_words_are_said_and_not_the_librarys(error: object, said: str) -> None:
    assert system_words.why(error) == said
