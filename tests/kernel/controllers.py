"""Controllers as their own processes in the provider's network, and the command line that asks them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from causeway_lab.world import namespaces, numbering
from causeway_lab.world.topology import SP_CONTROLLER

LEASE = 10
_START_SECONDS = 60.0
_PROGRAM = (sys.executable, "-m", "causeway_controller")


class Controller:
    """A controller on a store that others may share; its socket is its own."""

    def __init__(self, name: str, state: Path) -> None:
        self.name = name
        self.socket = state / f"{name}.sock"
        self.log = state / f"{name}.log"
        self._config = state / f"{name}.yaml"
        sources = [str(interface.ip) for interface in numbering.sp(2)]
        self._config.write_text(
            json.dumps(
                {
                    "name": name,
                    "state": str(state),
                    "socket": str(self.socket),
                    "sources": ", ".join(sources),
                    "lease": LEASE,
                    "log": {"format": "text"},
                }
            )
        )
        self._process: asyncio.subprocess.Process | None = None

    def set_up(self) -> None:
        """`causeway setup`."""
        subprocess.run([*_PROGRAM, "setup", "--config", str(self._config)], check=True, capture_output=True)

    async def start(self) -> None:
        """`causeway serve`, until it answers."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *namespaces.within(SP_CONTROLLER, *_PROGRAM, "serve", "--config", str(self._config)),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.socket.is_socket():
            assert self._process.returncode is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """SIGKILL: nothing of it is told to anybody."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, if it runs."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await asyncio.wait_for(self._process.wait(), 30)

    async def ask(self, *arguments: str) -> str:
        """What the command says; fails when it says no."""
        asked = await asyncio.create_subprocess_exec(
            *_PROGRAM,
            *("--socket", str(self.socket)),
            *arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        said, complained = await asyncio.wait_for(asked.communicate(), 180)
        assert asked.returncode == 0, complained.decode() + self.log.read_text()[-4000:]
        return said.decode()

    async def ask_json(self, *arguments: str) -> Any:
        """What the command says with `--json`."""
        return json.loads(await self.ask(*arguments, "--json"))
