"""The running agent, asked over its own Unix socket. Standard library only: commands must start fast."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 10.0
SOCKET_NAME = "agent.sock"
ASKED_PATH = "/local/update/asked"
"""Whether a controller has asked this agent for its slots, over the network."""


_PIECE = 65536
_BAD_REQUEST = 400


class AgentDownError(Exception):
    """Nobody answers on the agent's socket; the message says why."""


class RefusedError(Exception):
    """The agent answered with a problem; the message is its detail."""

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status


def _exchange(path: Path, head: str, timeout: float) -> tuple[int, bytes]:
    """Send a request without a body and read the answer to its end: its status, its body.

    HTTP/1.0 (RFC 1945): an answer ends with its connection. http.client would do as well; with email and ssl
    it is more than all the rest that the console's process loads. Raises OSError, ValueError.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        sock.sendall(f"{head} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("ascii"))
        answer = bytearray()
        while piece := sock.recv(_PIECE):
            answer += piece
    top, blank, body = bytes(answer).partition(b"\r\n\r\n")
    first, *fields = top.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not (blank and words[0].startswith("HTTP/1.") and len(words) > 1):
        raise ValueError("that is not HTTP")
    for name, _, value in (field.partition(":") for field in fields):
        if name.strip().lower() == "content-length" and int(value) != len(body):
            raise ValueError("the answer is cut off")
    return int(words[1]), body


class LocalAgent:
    """The agent whose run directory this is."""

    def __init__(self, run_directory: Path, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """`timeout`: seconds without an answer after which the agent counts as down."""
        self._path = run_directory / SOCKET_NAME
        self._timeout = timeout

    def get(self, path: str) -> Any:
        """The decoded answer; raises AgentDownError or RefusedError."""
        return self._ask("GET", path)

    def post(self, path: str) -> Any:
        """Like `get`, for what changes something."""
        return self._ask("POST", path)

    def _ask(self, method: str, path: str) -> Any:
        try:
            status, text = _exchange(self._path, f"{method} {path}", self._timeout)
            body = json.loads(text)
        except OSError as error:
            raise AgentDownError(f"{self._path}: {error.strerror or error}") from error
        except ValueError as error:
            raise AgentDownError(f"{self._path}: no sensible answer: {error}") from error
        if status >= _BAD_REQUEST:
            raise RefusedError(body.get("detail", f"status {status}"), status)
        return body
