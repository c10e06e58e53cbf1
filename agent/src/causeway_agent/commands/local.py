"""The running agent, asked over its own Unix socket. Standard library only: commands must start fast."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 10.0
SOCKET_NAME = "agent.sock"
ASKED_PATH = "/local/update/asked"
"""Whether a controller has asked this agent for its slots, over the network."""


class AgentDownError(Exception):
    """Nobody answers on the agent's socket; the message says why."""


class RefusedError(Exception):
    """The agent answered with a problem; the message is its detail."""

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


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
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except OSError as error:
            raise AgentDownError(f"{self._path}: {error.strerror or error}") from error
        except (http.client.HTTPException, ValueError) as error:
            raise AgentDownError(f"{self._path}: no sensible answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise RefusedError(body.get("detail", f"status {answer.status}"), answer.status)
        return body
