"""Private namespaces for a command: nothing it does to networks, mounts or processes outlives it.

    python -m causeway_lab.sandbox -- COMMAND...

The command gets network, mount and PID namespaces of its own, and a user namespace when the caller is not
root (namespaces(7)). Where the root is a plain directory that somebody entered by chroot(2), it first
becomes a mount of its own. Inside, `/run` is an empty tmpfs, so that `ip netns add` is private. When the
command ends, or this process is killed, the PID namespace's init dies and the kernel ends everything below
it (pid_namespaces(7)). Signals pass through; the exit code is the command's, 69 when the host denies
namespaces.

Imports the standard library and `programs` only: it runs before anything else does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from causeway_lab import programs

EXIT_UNAVAILABLE = 69
"""EX_UNAVAILABLE (sysexits.h)."""

EXIT_USAGE = 64
EXIT_NOT_FOUND = 127

MARK = Path("/run/causeway-sandbox")
"""Exists inside a sandbox only, in its private tmpfs."""

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWPID = 0x2000_0000
_CLONE_NEWNET = 0x4000_0000
_BASE = _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWNET
# sys/mount.h, and sys_pivot_root in the system call table of each architecture; libc has no wrapper for it
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18
_MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_PR_SET_PDEATHSIG = 1
_SI_KERNEL = 0x80
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_USER_NAMESPACE_LIMITS = Path("/proc/sys/user/max_user_namespaces")
_APPARMOR_LIMIT = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")

_libc = ctypes.CDLL(None, use_errno=True)


class DeniedError(Exception):
    """The host does not let this user make private namespaces; the message says what to change."""


def inside() -> bool:
    """Whether this process runs in a sandbox, so that it may make namespaces as it likes."""
    return MARK.exists()


def command(*arguments: str) -> list[str]:
    """The command line that runs these arguments in a sandbox."""
    return [sys.executable, "-m", "causeway_lab.sandbox", "--", *arguments]


def run(arguments: Sequence[str]) -> int:
    """Run the command in fresh namespaces; returns its exit code (128 + signal when a signal ended it).

    Raises DeniedError when the host refuses. This process itself moves into the new namespaces: call it last.
    """
    _unshare()
    alive_read, alive_write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *_PASSED_ON})
    child = os.fork()
    if child == 0:
        os.close(alive_write)
        _init(arguments, alive_read)
    os.close(alive_read)
    return _guard(child)


def _unshare() -> None:
    """Enter new namespaces, with a user namespace unless root may do without."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and _libc.unshare(_BASE) == 0:
        return
    if _libc.unshare(_BASE | _CLONE_NEWUSER) != 0:
        raise DeniedError(_advice(ctypes.get_errno()))
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    except PermissionError as error:
        raise DeniedError(_advice(error.errno or errno.EPERM)) from error


def _advice(number: int) -> str:
    reason = os.strerror(number)
    lines = [f"this host does not let user {os.geteuid()} create private namespaces ({reason})."]
    if _reads(_APPARMOR_LIMIT, "1"):
        lines.append("AppArmor restricts them: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    if _reads(_USER_NAMESPACE_LIMITS, "0"):
        lines.append("User namespaces are off: sysctl -w user.max_user_namespaces=10000")
    if os.geteuid() != 0 and _root_is_plain():
        lines.append("In a chroot the kernel allows them to nobody but root (user_namespaces(7)).")
    lines.append("Or run the same command as root (in a container: with CAP_SYS_ADMIN, e.g. --privileged).")
    return "\n".join(lines)


def _reads(path: Path, value: str) -> bool:
    try:
        return path.read_text(encoding="ascii").strip() == value
    except OSError:
        return False


def _init(arguments: Sequence[str], alive: int) -> NoReturn:
    """PID 1 of the sandbox: prepare the mounts, start the command, reap, end with its exit code."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if select.select([alive], [], [], 0)[0]:
        os._exit(EXIT_UNAVAILABLE)  # the guard died before the line above took effect
    try:
        _prepare()
    except subprocess.CalledProcessError as error:
        _say(f"{' '.join(error.cmd)}: {error.stderr.strip()}")
        os._exit(EXIT_UNAVAILABLE)
    except OSError as error:
        _say(error.strerror or str(error))
        os._exit(EXIT_UNAVAILABLE)
    child = os.fork()
    if child == 0:
        os.close(alive)
        _become(arguments)
    os._exit(_guard(child))


def _prepare() -> None:
    """Own mounts and a loopback device; raises OSError or CalledProcessError when the host refuses one."""
    if _root_is_plain():
        _move_root_to_a_mount()
    for step in (
        ("mount", "--make-rprivate", "/"),
        ("mount", "-t", "proc", "proc", "/proc"),
        ("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"),
        ("ip", "link", "set", "lo", "up"),
    ):
        subprocess.run(step, check=True, capture_output=True, text=True, timeout=10)
    MARK.touch()


def _root_is_plain() -> bool:
    """Whether the root directory is no mount point: a tree that was entered by chroot(2)."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return "/" not in (mount.split()[4] for mount in mounts)


def _move_root_to_a_mount() -> None:
    """Make the tree a mount and the root of this mount namespace; raises OSError.

    Joining the namespace that one is in already leads to its real root (setns(2)); from there the tree can be
    bound onto itself and made the root, so that mounts are private and user namespaces possible again.
    """
    here, inside_tree = os.open("/", os.O_RDONLY | os.O_DIRECTORY), Path.cwd()
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    _must(_libc.setns(own, _CLONE_NEWNS), "setns")
    _must(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount --make-rprivate /")
    os.fchdir(here)
    tree = Path.cwd()
    _must(_libc.mount(bytes(tree), bytes(tree), None, _MS_BIND | _MS_REC, None), f"mount --bind {tree}")
    os.chdir(tree)
    _must(_libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."), f"pivot_root {tree}")
    _must(_libc.umount2(b".", _MNT_DETACH), "umount the former root")
    os.close(here)
    os.close(own)
    os.chdir(inside_tree)


def _must(result: int, doing: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{doing}: {os.strerror(ctypes.get_errno())}")


def _become(arguments: Sequence[str]) -> NoReturn:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, *_PASSED_ON})
    try:
        os.execvp(arguments[0], list(arguments))  # noqa: S606 - the command is the caller's
    except OSError as error:
        _say(f"{arguments[0]}: {error.strerror}")
        os._exit(EXIT_NOT_FOUND)


def _guard(child: int) -> int:
    """Pass signals on to the child and reap until it ends; its exit code.

    A terminal sends its signals to the whole foreground group, the command included: those stay here.
    """
    while True:
        info = signal.sigwaitinfo({signal.SIGCHLD, *_PASSED_ON})
        if info.si_signo != signal.SIGCHLD:
            if info.si_code != _SI_KERNEL:
                os.kill(child, info.si_signo)
            continue
        status = _reap(child)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _reap(child: int) -> int | None:
    """Collect every ended process; the child's wait status once it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _say(text: str) -> None:
    sys.stderr.write(f"sandbox: {text}\n")
    sys.stderr.flush()


def main() -> int:
    """The command line."""
    programs.find_system_programs()
    arguments = sys.argv[1:]
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments:
        _say("usage: python -m causeway_lab.sandbox -- COMMAND...")
        return EXIT_USAGE
    try:
        return run(arguments)
    except DeniedError as error:
        _say(str(error))
        return EXIT_UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main())
