"""The running agent, asked over its own Unix socket. Standard library only: commands must start fast."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 10.0
SOCKET_NAME = "agent.sock"


class AgentDownError(Exception):
    """Nobody answers on the agent's socket; the message says why."""


class RefusedError(Exception):
    """The agent answered with a problem; the message is its detail."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


class LocalAgent:
    """The agent whose run directory this is."""

    def __init__(self, run_directory: Path) -> None:
        self._path = run_directory / SOCKET_NAME

    def get(self, path: str) -> Any:
        """The decoded answer; raises AgentDownError or RefusedError."""
        connection = _UnixConnection(self._path)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except OSError as error:
            raise AgentDownError(f"{self._path}: {error.strerror or error}") from error
        except (http.client.HTTPException, ValueError) as error:
            raise AgentDownError(f"{self._path}: no sensible answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise RefusedError(body.get("detail", f"status {answer.status}"))
        return body
