"""Stands in for systemctl(1) where no systemd runs: starts the unit's program as its unit says, in part.

As in the unit: the user, umask, directories, no new privileges, no capabilities, no memory that is writable
and executable, READY=1 waited for. Not as in the unit: file systems, namespaces, devices. Its system calls
are not filtered but counted by strace(1), into `CALLS`, for `packaging/check_installed` to compare.
"""

from __future__ import annotations

import configparser
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

UNIT = Path("/usr/lib/systemd/system/causeway.service")
PLACE = Path("/run/like-systemd")
PID, LOG, ASKED, CALLS = (PLACE / name for name in ("pid", "log", "asked", "calls"))
SECONDS = 120
PR_SET_MDWE = 65
"""prctl(2), since Linux 6.3: what MemoryDenyWriteExecute= does by a filter."""


def unit() -> configparser.SectionProxy:
    """The unit's section of the service."""
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read(UNIT)
    return read["Service"]


def deny_writing_code() -> None:
    """Called in the child. The kernel may be too old for it."""
    ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0)


def start() -> None:
    """Start the program and wait until it says that it is ready. Raises SystemExit."""
    service = unit()
    user = pwd.getpwnam(service["User"])
    runtime = Path("/run") / service["RuntimeDirectory"]
    runtime.mkdir(mode=int(service["RuntimeDirectoryMode"], 8), exist_ok=True)
    os.chown(runtime, user.pw_uid, user.pw_gid)
    PLACE.mkdir(mode=0o755, exist_ok=True)
    notify = PLACE / "notify"
    notify.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, LOG.open("ab") as log:
        manager.bind(str(notify))
        notify.chmod(0o666)
        manager.settimeout(SECONDS)
        words = (
            *(("strace", "-qq", "-f", "-c", "-o", str(CALLS)) if shutil.which("strace") else ()),
            *(
                "setpriv",
                f"--reuid={user.pw_uid}",
                f"--regid={user.pw_gid}",
                "--init-groups",
                "--no-new-privs",
            ),
            *("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"),
            *service["ExecStart"].split(),
        )
        process = subprocess.Popen(
            words,
            env={
                "PATH": "/usr/bin:/bin",
                "NOTIFY_SOCKET": str(notify),
                "LANG": "C.UTF-8",
                **dict(word.split("=", 1) for word in service["Environment"].split()),
            },
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            umask=int(service["UMask"], 8),
            preexec_fn=deny_writing_code,  # noqa: PLW1509 - no threads here
            start_new_session=True,
        )
        PID.write_text(str(process.pid))
        while b"READY=1" not in manager.recv(4096):
            pass


def stop() -> None:
    """End the program, and wait until it has."""
    if not PID.exists():
        return
    leader = int(PID.read_text())
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)
    deadline = time.monotonic() + SECONDS
    # strace goes before what it watches: the whole group has to be gone.
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(leader, 0)
            time.sleep(0.1)
    PID.unlink()


def main(words: list[str]) -> int:
    """Do what an administrator or a maintainer script asks for."""
    PLACE.mkdir(mode=0o755, exist_ok=True)
    with ASKED.open("a") as asked:
        asked.write(" ".join(words) + "\n")
    if not any(word.startswith("causeway") for word in words):
        return 0
    match [word for word in words if not word.startswith(("-", "causeway"))]:
        case ["stop"]:
            stop()
        case ["restart" | "start" | "enable"]:
            stop()
            start()
        case ["try-restart"] if PID.exists():
            stop()
            start()
        case _:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
