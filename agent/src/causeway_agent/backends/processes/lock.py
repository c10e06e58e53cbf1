"""One process at a time works on an appliance: it holds a file of the state directory (flock(2)).

The file says who holds it. The lock ends with its holder whatever ends that, so nothing is ever stale.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from causeway_agent.backends.processes import process_age
from causeway_agent.errors import HeldError

NAME = "agent.lock"
AGENT = "agent"
ROLLBACK = "rollback"

_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the appliance; `started` in clock ticks since boot, so that the id means one process."""

    what: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.what} {self.pid}"

    @property
    def alive(self) -> bool:
        """Whether this process is still there."""
        return process_age.start_time(self.pid) == self.started

    def end(self) -> bool:
        """Kill this process and no other; False when it is gone already."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            # Read after opening: the descriptor is known to mean the process that was looked at.
            if process_age.start_time(self.pid) != self.started:
                return False
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True


@contextlib.contextmanager
def hold(directory: Path, what: str, *, patience: float = 0.0) -> Iterator[None]:
    """Hold the appliance with this state directory; raises HeldError when somebody else does.

    `patience`: seconds to wait for a holder that is no agent: a rollback ends by itself, an agent does not.
    """
    path = directory / NAME
    descriptor = _open(path)
    try:
        until = time.monotonic() + patience
        while not _locked(descriptor):
            other = holder(directory)
            agent = other is not None and other.what == AGENT and other.alive
            if agent or time.monotonic() > until:
                raise HeldError(str(path), str(other or "somebody"))
            time.sleep(_POLL)
        text = f"{what} {os.getpid()} {process_age.start_time(os.getpid())}\n"
        with contextlib.suppress(OSError):  # a disk that takes nothing does not keep an agent from its work
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Where the disk lets nobody write, the file that is there is held all the same."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, flags | os.O_RDONLY)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder(directory: Path) -> Holder | None:
    """Who wrote that it holds the appliance; whether it still does, only `hold` can tell."""
    try:
        what, pid, started = (directory / NAME).read_text(encoding="ascii").split()
        return Holder(what, int(pid), int(started))
    except (OSError, ValueError):
        return None
