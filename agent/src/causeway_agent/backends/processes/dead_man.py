"""Takes a change back from outside the agent when the agent does not: killed, hung, or not started again.

Where systemd runs, a transient timer unit does the waiting (systemd-run(1)): a process of ours would end
with the service that started it. Elsewhere a small process in a session of its own does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from causeway_agent.backends.processes import spawn
from causeway_agent.backends.processes.spawn import Child
from causeway_agent.errors import BackendError
from causeway_wire.types import ChangeId

GRACE_SECONDS = 2.0
"""How long after the deadline the agent may still act itself."""
WAITER = Path(__file__).with_name("dead_man_waiter.py")

_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
_COMMAND_SECONDS = 30.0
_RECORD = "process"

Command = Callable[[ChangeId], tuple[str, ...]]
"""The program that takes a change back, with its arguments."""


class DeadMan(Protocol):
    """`engine.ports.DeadMan`, to be entered and left with the agent that uses it."""

    async def arm(self, change: ChangeId, *, seconds: float) -> None: ...

    async def disarm(self, change: ChangeId) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make(*, directory: Path, command: Command) -> DeadMan:
    """The one that fits this machine; `directory` holds what an agent must know of its predecessor's."""
    return TimerUnit(command=command) if _SYSTEMD.is_dir() else DetachedProcess(directory, command=command)


class DetachedProcess:
    """A process per armed change. It is found again by a later agent through a record of its id and age."""

    def __init__(self, directory: Path, *, command: Command) -> None:
        self._directory = directory
        self._command = command
        self._armed: dict[ChangeId, Child] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """They go on without us: that is what they are for."""
        for child in self._armed.values():
            child.release()

    async def arm(self, change: ChangeId, *, seconds: float) -> None:
        before = self._known(change)
        moment = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds + GRACE_SECONDS
        place = self._directory / change
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            waiter = (sys.executable, "-I", "-S", str(WAITER), f"{moment:.3f}", *self._command(change))
            child = spawn.launch(waiter, directory=place, account=None)
            spawn.write_file(place / _RECORD, f"{child.pid} {child.started}\n", None)
        except OSError as error:
            raise BackendError(f"arm the rollback of {change}", error.strerror or str(error)) from error
        self._armed[change] = child
        if before is not None:
            await before.kill()

    async def disarm(self, change: ChangeId) -> None:
        child = self._known(change)
        # It may be we who were woken by it.
        if child is not None and child.pid != os.getpid():
            await child.kill()
        self._armed.pop(change, None)
        (self._directory / change / _RECORD).unlink(missing_ok=True)

    def _known(self, change: ChangeId) -> Child | None:
        """Who waits for this change, started by us or by an agent before us."""
        child = self._armed.get(change)
        if child is not None:
            return child if child.alive else None
        try:
            pid, started = map(int, (self._directory / change / _RECORD).read_text(encoding="ascii").split())
        except (OSError, ValueError):
            return None
        return spawn.adopt(pid, started)


class TimerUnit:
    """A transient timer per armed change."""

    def __init__(self, *, command: Command) -> None:
        self._command = command
        self._units: dict[ChangeId, list[str]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """The service manager has them."""

    async def arm(self, change: ChangeId, *, seconds: float) -> None:
        before = self._units.get(change, [])
        # Another name each time: the new timer must run before the old one is stopped.
        unit = f"{_unit(change)}-{time.clock_gettime_ns(time.CLOCK_BOOTTIME)}"
        await _run(
            "systemd-run",
            "--quiet",
            "--collect",
            f"--unit={unit}",
            f"--on-active={seconds + GRACE_SECONDS:.3f}s",
            "--timer-property=AccuracySec=100ms",
            "--",
            *self._command(change),
        )
        self._units[change] = [unit]
        if before:
            # A pattern, which may match nothing: a service that has not begun is not there by name.
            await _stop(*(f"{each}.*" for each in before))

    async def disarm(self, change: ChangeId) -> None:
        self._units.pop(change, None)
        # Only what still waits: what runs already may be ourselves, and finds the change final otherwise.
        await _stop(f"{_unit(change)}-*.timer")


def _unit(change: ChangeId) -> str:
    return f"causeway-rollback-{change}"


async def _stop(*units: str) -> None:
    await _run("systemctl", "stop", *units)


async def _run(*arguments: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise BackendError(f"run {arguments[0]}", error.strerror or str(error)) from error
    try:
        async with asyncio.timeout(_COMMAND_SECONDS):
            _, complaint = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise BackendError(f"run {arguments[0]}", f"not done within {_COMMAND_SECONDS:g} s") from error
    if process.returncode:
        raise BackendError(f"run {arguments[0]}", complaint.decode(errors="replace").strip())
