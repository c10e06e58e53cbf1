"""A PostgreSQL of the tests' own: Debian's programs, a directory that goes away, a Unix socket, no port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

INSTALLED = Path("/usr/lib/postgresql")
WAIT = 60.0
"""Seconds until it must take connections, on a machine that is busy with other tests."""


def _programs() -> Path:
    found = sorted(INSTALLED.glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        raise FileNotFoundError(f"no PostgreSQL in {INSTALLED}; scripts/setup installs it")
    return found[-1]


def _user() -> str:
    """PostgreSQL refuses to run as root."""
    return pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "postgres"


@contextlib.contextmanager
def running() -> Iterator[Path]:
    """The directory of a running server's socket; the server and everything of it ends with the context."""
    home = Path(tempfile.mkdtemp(prefix="causeway-pg-"))
    user = _user()
    shutil.chown(home, user)
    try:
        settings = ["-A", "trust", "-U", "causeway", "--no-sync", "--locale=C.UTF-8"]
        initdb: list[str | Path] = [_programs() / "initdb", "-D", home / "data", *settings]
        subprocess.run(
            [*initdb, "--locale=C.UTF-8"],
            user=user,
            cwd=home,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=WAIT,
        )
        with (home / "log").open("wb") as log:
            # What is tested is not the server's disk: it need not sync. Everything else is as usual.
            options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}", "-c", "fsync=off"]
            server = subprocess.Popen(
                [_programs() / "postgres", "-D", home / "data", *options],
                user=user,
                cwd=home,
                stdout=log,
                stderr=log,
            )
        try:
            _wait(home, server)
            yield home
        finally:
            server.send_signal(signal.SIGINT)  # at once, without waiting for clients
            server.wait(timeout=WAIT)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait(home: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT
    while True:
        try:
            psycopg.connect(host=str(home), user="causeway", dbname="postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def create(home: Path, name: str, *, template: str = "template0") -> str:
    """Make a database; its URL."""
    with psycopg.connect(host=str(home), user="causeway", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"postgresql://causeway@/{name}?host={home}"
