"""Controllers as processes of their own in their site's network, asked by their own command line."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import aiohttp

from causeway_lab.assembly.lab import LabError
from causeway_lab.world import namespaces, numbering
from causeway_lab.world.topology import SP_CONTROLLER
from causeway_wire.types import IPAddress

LEASE: Final = 10
"""Seconds until another controller takes over."""
INTERVAL: Final = 2
"""Seconds between two looks at an appliance."""
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 180.0
_POLL_SECONDS: Final = 0.1
_LAST_OCTETS: Final = 2000
_PROGRAM: Final = (sys.executable, "-m", "causeway_controller")
_PROVIDERS: Final = numbering.ips(numbering.sp(2))


class Controller:
    """A controller on a store that others may share; its socket is its own."""

    def __init__(
        self,
        name: str,
        state: Path,
        *,
        machine: str = SP_CONTROLLER,
        sources: tuple[IPAddress, ...] = _PROVIDERS,
        tenants: str | None = None,
        image: Path | None = None,
        patience: int = 1,
        seconds: float = _ANSWER_SECONDS,
    ) -> None:
        """`state` is the directory of the store; `machine` where it runs, whose addresses are `sources`.

        `tenants`: address and port at which it serves tenants' controllers, if it does. `image`: the disk
        that libvirt hosts are sent. `patience`: with appliances. `seconds`: for an answer.
        """
        self.name = name
        self._machine = machine
        self._sources = sources
        self._tenants = tenants
        self._image = image
        self._patience = patience
        self._seconds = seconds
        self.socket = state / f"{name}.sock"
        self._log = state / f"{name}.log"
        self._config = state / f"{name}.yaml"
        self._state = state
        self._process: asyncio.subprocess.Process | None = None

    async def set_up(self) -> None:
        """Make what it needs: `causeway setup`. Raises LabError."""
        await self._run("setup", "--config", str(self._settings()))

    async def start(self) -> None:
        """Begin `causeway serve` and wait until it listens. Raises LabError."""
        self.socket.unlink(missing_ok=True)  # of one that was killed
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *namespaces.within(self._machine, *_PROGRAM, "serve", "--config", str(self._settings())),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.socket.is_socket():
            if self._process.returncode is not None or time.monotonic() >= deadline:
                raise LabError(f"controller {self.name} does not listen; {self._last_words()}")
            await asyncio.sleep(_POLL_SECONDS)

    async def kill(self) -> None:
        """End it with SIGKILL: it tells nobody anything."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it with SIGTERM, if it runs."""
        await self._end(signal.SIGTERM)

    async def ask(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
        """Return what its command says. Raises LabError when it says no: by another exit code than these."""
        return await self._run("--socket", str(self.socket), *arguments, ok=ok)

    async def ask_json(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> Any:
        """Return what its command says with `--json`. Raises LabError when it says no."""
        return json.loads(await self.ask(*arguments, "--json", ok=ok))

    async def look(self, path: str) -> Any:
        """Return what its API answers to GET there. Raises LabError.

        For what is looked at until it is so: a command is a process, a third of a second of a processor.
        """
        connector = aiohttp.UnixConnector(path=str(self.socket))
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, raise_for_status=True) as session,
                session.get(f"http://localhost{path}") as response,
            ):
                return await response.json()
        except (aiohttp.ClientError, OSError) as error:
            raise LabError(f"GET {path}: {error}; {self._last_words()}") from error

    def _settings(self) -> Path:
        told = {
            "name": self.name,
            "state": str(self._state),
            "socket": str(self.socket),
            "sources": ", ".join(map(str, self._sources)),
            "lease": LEASE,
            "appliances": {
                "interval": INTERVAL,
                "patience": self._patience,
                **({} if self._image is None else {"image": str(self._image)}),
            },
            "log": {"format": "text"},
            **({} if self._tenants is None else {"tenants": {"listen": self._tenants}}),
        }
        self._config.write_text(json.dumps(told), encoding="utf-8")
        return self._config

    async def _run(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
        asked = await asyncio.create_subprocess_exec(
            *_PROGRAM,
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said, complained = await asyncio.wait_for(asked.communicate(), self._seconds)
        if asked.returncode not in ok:
            words = " ".join(arguments)
            why = (complained or said).decode().strip()  # with --json, what is wrong is printed as well
            raise LabError(f"causeway {words}: {why}; {self._last_words()}")
        return said.decode()

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)

    def _last_words(self) -> str:
        if not self._log.exists():
            return "it has no log yet"
        return f"the end of its log: {self._log.read_text(errors='replace')[-_LAST_OCTETS:]}"
