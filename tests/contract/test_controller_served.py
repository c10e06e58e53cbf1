"""The controller as its operator has it: set up, started, asked with curl, stopped, killed, started again."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import sockets

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/how-to/run-the-controller.md"
CAUSEWAY = Path(sys.executable).with_name("causeway")
SECONDS = 300
"""Generous: CI is slow."""

pytestmark = pytest.mark.timeout(900)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": f"{CAUSEWAY.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "CAUSEWAY_STATE": str(tmp_path / "state"),
        "CAUSEWAY_SOCKET": str(tmp_path / "c.sock"),
        **more,
    }


def run(tmp_path: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, env=environment(tmp_path, **more), capture_output=True, text=True, timeout=SECONDS, check=False
    )


@contextmanager
def serving(tmp_path: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A controller that listens; killed at the end unless it has ended."""
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen(
            (str(CAUSEWAY), "serve"), env=environment(tmp_path, **more), stderr=log, cwd=tmp_path
        )
    try:
        deadline = time.monotonic() + SECONDS
        while run(
            tmp_path, "curl", "-sf", "--unix-socket", str(tmp_path / "c.sock"), "http://x/readyz"
        ).returncode:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.wait()


def set_up(tmp_path: Path, **more: str) -> str:
    done = run(tmp_path, str(CAUSEWAY), "setup", "--name", "localhost", **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_set_up_started_and_stopped(tmp_path: Path) -> None:
    assert "shown this once: cwt_" in set_up(tmp_path)
    assert "there is a valid one" in set_up(tmp_path)
    with serving(tmp_path) as process:
        assert sockets.tcp(process.pid, sockets.LISTEN) == set(), (
            "without TLS in the settings nothing listens on a network"
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events.index("serving") < events.index("stopping")
    with sqlite3.connect(tmp_path / "state/causeway.db") as connection:
        left = connection.execute("SELECT count(*) FROM controller").fetchone()
    connection.close()
    assert left == (0,), "who stops gives its lease back"
    assert not (tmp_path / "c.sock").exists()


def test_what_only_the_owner_may_read_only_they_can(tmp_path: Path) -> None:
    set_up(tmp_path, CAUSEWAY_TLS_LISTEN="127.0.0.1:1")
    open_to_others = {
        path.name
        for path in (tmp_path / "state").rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077
    }
    assert open_to_others == {"certificate.pem"}
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_after_a_kill_it_starts_again_with_what_it_knew(tmp_path: Path) -> None:
    set_up(tmp_path)
    with serving(tmp_path) as process:
        applied = run(tmp_path, str(CAUSEWAY), "apply", "-f", str(ROOT / "docs/examples/provider.yaml"))
        assert applied.returncode == 0, applied.stderr
        second = run(tmp_path, str(CAUSEWAY), "serve")
        assert (second.returncode, "running already" in second.stderr) == (1, True)
        process.kill()
    assert (tmp_path / "c.sock").exists()
    with serving(tmp_path):
        assert "1 tenant" in run(tmp_path, str(CAUSEWAY), "status").stdout


def test_a_store_without_the_tables_of_this_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    refused = run(tmp_path, str(CAUSEWAY), "serve")
    assert (refused.returncode, "run `causeway setup`" in refused.stderr) == (1, True)
    set_up(tmp_path)
    with sqlite3.connect(tmp_path / "state/causeway.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    newer = run(tmp_path, str(CAUSEWAY), "serve")
    assert (newer.returncode, "newer version" in newer.stderr) == (1, True)


def test_wrong_settings_are_told_without_a_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, str(CAUSEWAY), "serve", CAUSEWAY_STORE="mysql://x", CAUSEWAY_LOG_LEVEL="loud")
    assert done.returncode == 1
    assert [line.split(" ")[1] for line in done.stderr.splitlines()] == ["store", "log.level"]


def commands() -> list[str]:
    """What the guide shows as code, a command a line."""
    return [line[4:] for line in GUIDE.read_text().splitlines() if line.startswith("    ")]


def test_every_command_of_the_guide_works_in_its_order(tmp_path: Path, unused_tcp_port: int) -> None:
    lines = ["set -eu", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, command in enumerate(commands()):
        lines.append(f"printf '\\ncommand {number}\\n'\n{command.replace('8444', str(unused_tcp_port))}")
    done = subprocess.run(
        ("bash", "-c", "\n".join(lines)),
        cwd=ROOT,
        env={"PATH": environment(tmp_path)["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS * 2,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    said = dict(re.findall(r"^command (\d+)\n((?:(?!command \d+$).*\n)*)", done.stdout, re.MULTILINE))
    shown = {command: said[str(number)] for number, command in enumerate(commands())}
    assert "appliance on esx1" in shown["causeway tenant show acme"]
    assert "acme on esx1: is not deployed" in shown["causeway status || true"]
    assert "no gateway pool is called edgy" in "".join(shown.values())
    anna = next(text for command, text in shown.items() if "anna.token tenant" in command)
    assert anna.split() == ["acme", "esx1", "2", "2"]
    client = next(text for command, text in shown.items() if "client.py" in command)
    assert "is not deployed" in client.splitlines()[0]
    assert client.splitlines()[1].strip().startswith("there is no secret vcenter in the vault")
    assert "1 tenant" in shown[next(command for command in shown if "export --json" in command)]
    assert "causeway_inventory_revision 1.0" in "".join(shown.values())
