"""A client of a lab's daemon: starts it, sends it operations, finds out when it is gone."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec

from causeway_lab import sandbox
from causeway_lab.assembly.lab import DIRECTORY, LabError
from causeway_lab.service import daemon
from causeway_lab.service.protocol import Line, Request, Status
from causeway_wire.desired import Extension

START_SECONDS = 20.0
STOP_SECONDS = 60.0
"""Also with two controllers, which end first, and have what they deployed removed."""
_POLL = 0.05
_PEER_CREDENTIALS = struct.Struct("iII")
_SOCKET_PATH_LIMIT = 107
"""unix(7): sun_path, without its final zero."""


def directory(name: str) -> Path:
    """Where the lab of this name keeps its socket and log (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "causeway" / "lab" / name


class LabClient:
    """One lab, by name; several run side by side under different names."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = directory(name)
        self._socket = self.directory / daemon.SOCKET
        if len(str(self._socket)) > _SOCKET_PATH_LIMIT:
            raise LabError(f"{self._socket} is too long for a socket; set XDG_STATE_HOME to a shorter path")

    def running(self) -> bool:
        """Whether a daemon holds this lab; a killed one's leftovers do not count."""
        if not self.directory.is_dir():
            return False
        try:
            daemon.lock(self.directory).close()
        except BlockingIOError:
            return True
        return False

    def start(self, extension: Extension) -> None:
        """Start the daemon of a lab whose networks are extended this way, in the background; returns when it
        answers. Raises LabError.
        """
        if self.running():
            raise LabError(
                f"the lab {self.name} is up already; see it with: causeway lab status{self._option}"
            )
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        log_path = self.directory / daemon.LOG
        arguments = (sys.executable, "-m", "causeway_lab.service.daemon", str(self.directory), extension)
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                sandbox.command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise LabError(f"the lab did not start: {log_path.read_text().strip() or log_path}")
            time.sleep(_POLL)

    async def operate(self, operation: str, request: Request) -> AsyncIterator[Line]:
        """Run one of `up`, `failover`, `undo`, `down`; its lines as they come. Raises LabError."""
        async with (
            self._session() as session,
            session.post(f"http://lab/{operation}", data=msgspec.json.encode(request)) as response,
        ):
            async for text in response.content:
                yield msgspec.json.decode(text, type=Line)

    async def status(self) -> Status:
        """What the lab is now. Raises LabError."""
        async with self._session() as session, session.get("http://lab/status") as response:
            return msgspec.json.decode(await response.read(), type=Status)

    def wait_gone(self) -> None:
        """Until the daemon has ended and everything with it. Raises LabError."""
        deadline = time.monotonic() + STOP_SECONDS
        while self.running():
            if time.monotonic() > deadline:
                raise LabError(f"the lab {self.name} does not end; its process is {self.pid()}")
            time.sleep(_POLL)

    def pid(self) -> int:
        """The daemon's process id, as this process's namespace counts (unix(7), SO_PEERCRED)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.connect(str(self._socket))
            except OSError as error:
                raise self._not_up() from error
            peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        return int(_PEER_CREDENTIALS.unpack(peer)[0])

    def enter(self, machine: str, *arguments: str) -> list[str]:
        """The command line that runs these arguments on a machine of the lab. Raises LabError.

        `causeway-agent` is the appliance's own: it asks the agent that runs there.
        """
        pid, namespace = self.pid(), machine.replace("/", "-")
        try:
            there = sorted(one.name for one in Path(f"/proc/{pid}/root/run/netns").iterdir())
        except OSError:
            there = [namespace]  # who may not look there is told by nsenter
        if namespace not in there:
            raise LabError(f"the lab has no machine {machine}; it has {', '.join(there)}")
        if arguments[0] == "causeway-agent":
            settings = DIRECTORY / machine / "agent.json"
            own = (sys.executable, "-m", "causeway_agent", "--settings", str(settings))
            arguments = (*own, *arguments[1:])
        user = ["--user", "--preserve-credentials"] if os.geteuid() != 0 else []
        return [
            *("nsenter", f"--target={pid}", *user, "--mount", "--pid", "--"),
            *("nsenter", f"--net=/run/netns/{namespace}", "--", *arguments),
        ]

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.UnixConnector(path=str(self._socket))
        timeout = aiohttp.ClientTimeout(total=None, sock_read=120.0)
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                yield session
        except (aiohttp.ClientConnectorError, FileNotFoundError) as error:
            raise self._not_up() from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise LabError(f"the lab {self.name} went away; see {self.directory / daemon.LOG}") from error

    def _not_up(self) -> LabError:
        return LabError(f"there is no lab {self.name}; start it with: causeway lab up{self._option}")

    @property
    def _option(self) -> str:
        return "" if self.name == "default" else f" --name {self.name}"
