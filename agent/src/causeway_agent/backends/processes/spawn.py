"""Starting, adopting and watching processes that outlive the agent.

A process runs in a session and a directory of its own, as an unprivileged user where this machine allows
that, without capabilities. It is watched through a pidfd (pidfd_open(2)), which works for our children and
for processes of an earlier agent alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import stat
import subprocess
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from causeway_agent.backends.processes import process_age
from causeway_agent.errors import BackendError

OUTPUT = "output.log"
"""File in a process's directory with what it printed since it started."""
OUTPUT_LIMIT = 1 << 20
"""Octets; a longer output file is emptied."""
STOP_GRACE = 3.0
"""Seconds between asking a process to end and killing it."""

MARK = "CAUSEWAY_DIRECTORY"
"""Environment variable that tells our processes from all others: the directory they were started in."""

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_LISTEN = "0A"  # TCP_LISTEN of net/tcp_states.h


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user that processes run as."""

    uid: int
    gid: int


def unprivileged_account(user: str | None) -> Account | None:
    """That user, or None where this process cannot start anything useful as it: not root, no such user, the
    user not mapped into this user namespace (user_namespaces(7)), or /dev/net/tun closed to it.
    """
    if user is None or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(user)
        tun = Path("/dev/net/tun").stat()
        groups = Path("/proc/self/setgroups").read_text(encoding="ascii").strip()
        maps = [Path(f"/proc/self/{kind}_map").read_text(encoding="ascii") for kind in ("uid", "gid")]
    except (KeyError, OSError):
        return None
    mapped = is_mapped(maps[0], entry.pw_uid) and is_mapped(maps[1], entry.pw_gid)
    may_attach = tun.st_mode & stat.S_IROTH and tun.st_mode & stat.S_IWOTH
    return Account(entry.pw_uid, entry.pw_gid) if mapped and may_attach and groups == "allow" else None


def unprivileged_uid(user: str | None) -> int | None:
    """The uid of `unprivileged_account`."""
    account = unprivileged_account(user)
    return None if account is None else account.uid


def is_mapped(table: str, number: int) -> bool:
    """Whether a uid_map or gid_map (user_namespaces(7)) covers the number inside the namespace."""
    rows = (tuple(map(int, line.split())) for line in table.splitlines())
    return any(first <= number < first + count for first, _, count in rows)


def prepare_root(path: Path, account: Account | None) -> None:
    """The directory of the processes' directories, which they may pass through but not read."""
    path.mkdir(mode=0o711, parents=True, exist_ok=True)
    if account is not None:
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o011)


def prepare_directory(path: Path, account: Account | None) -> None:
    """A directory where the process may create sockets but cannot replace the files written for it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(path, os.geteuid(), account.gid)
        path.chmod(0o1770)


def write_file(path: Path, text: str, account: Account | None) -> None:
    """Replace a file by one that the process may read and only we may write; follows no link."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if account is not None:
            os.fchown(descriptor, os.geteuid(), account.gid)
            os.fchmod(descriptor, 0o640)
        file.write(text)


def listens(pid: int) -> bool:
    """Whether the process holds a listening TCP socket."""
    sockets = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                sockets.add(str(link.readlink()))
        tables = [Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
        rows = [row.split() for path in tables if path.exists() for row in path.read_text().splitlines()[1:]]
    except OSError:
        return False
    return any(row[3] == _LISTEN and f"socket:[{row[9]}]" in sockets for row in rows)


def output_tail(directory: Path, lines: int = 5) -> tuple[str, ...]:
    """The last lines a process printed."""
    try:
        with (directory / OUTPUT).open(encoding="utf-8", errors="replace") as file:
            return tuple(line.rstrip("\n") for line in deque(file, maxlen=lines))
    except OSError:
        return ()


def trim_output(directory: Path) -> None:
    """Empty an output file that grew beyond `OUTPUT_LIMIT`; the process appends, so it goes on writing."""
    with contextlib.suppress(OSError):
        path = directory / OUTPUT
        if path.stat(follow_symlinks=False).st_size > OUTPUT_LIMIT:
            os.truncate(path, 0)


class Child:
    """A running process, started by us or by an earlier agent, that is noticed when it ends."""

    def __init__(
        self, pid: int, started: int, descriptor: int, popen: subprocess.Popen[bytes] | None
    ) -> None:
        self.pid = pid
        self.started = started
        """Clock ticks since boot; 0 when it ended before that could be read."""
        self._descriptor = descriptor
        self._popen = popen
        self._exited = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._end)

    @property
    def alive(self) -> bool:
        return not self._exited.is_set()

    @property
    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs and for an adopted process."""
        return None if self._popen is None or self.alive else self._popen.returncode

    async def wait(self) -> None:
        """Return when the process is gone."""
        await self._exited.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    async def kill(self) -> None:
        """End it without asking."""
        self.send(signal.SIGKILL)
        await self._exited.wait()

    async def terminate(self, grace: float = STOP_GRACE) -> None:
        """Ask it to end, kill it after `grace` seconds; returns when it is gone."""
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self.wait()
        except TimeoutError:
            await self.kill()

    def release(self) -> None:
        """Stop watching and leave it running."""
        if self.alive:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            if self._popen is not None:
                self._popen.returncode = 0  # it is left running on purpose: Popen must not warn about it

    def _end(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        if self._popen is not None:
            self._popen.wait()  # it has ended: this only reaps it
        self._exited.set()


def launch(
    arguments: tuple[str, ...], *, directory: Path, account: Account | None, rights: tuple[str, ...] = ()
) -> Child:
    """Start a program in its directory; raises BackendError when it cannot be executed.

    With an account, setpriv(1) drops to it before the program starts, with no way back, and with no
    capability but `rights` (as setpriv names them).
    """
    command = arguments if account is None else (*_drop_to(account, rights), *arguments)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        output = os.open(directory / OUTPUT, flags, 0o600)
        try:
            popen = subprocess.Popen(
                command,
                cwd=directory,
                env={**_ENVIRONMENT, MARK: str(directory)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        finally:
            os.close(output)
        return Child(popen.pid, process_age.start_time(popen.pid) or 0, os.pidfd_open(popen.pid), popen)
    except OSError as error:
        raise BackendError(f"start {arguments[0]}", error.strerror or str(error)) from error


def adopt(pid: int, started: int) -> Child | None:
    """The process with this id if it is still the one that started then."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    # Read after opening, so that the descriptor is known to mean this process.
    if process_age.start_time(pid) != started:
        os.close(descriptor)
        return None
    return Child(pid, started, descriptor, None)


def _drop_to(account: Account, rights: tuple[str, ...]) -> tuple[str, ...]:
    user = ("--reuid", str(account.uid), "--regid", str(account.gid), "--clear-groups")
    kept = ",".join(("-all", *(f"+{right}" for right in rights)))
    ambient = (f"--ambient-caps={kept}",) if rights else ()
    bounds = (f"--inh-caps={kept}", *ambient, f"--bounding-set={kept}")
    return ("setpriv", *user, "--no-new-privs", *bounds, "--")
