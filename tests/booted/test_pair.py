"""Appliances that boot the image, and a failover between them: what `make pair` shows, as a test."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from causeway_lab.demo import demonstration, pair
from causeway_lab.qemu import acceleration
from tests.booted import fresh_machine

OUTCOME = re.compile(r"^demo: (\d+) of (\d+) claims held", re.MULTILINE)
APPLIANCES = 3
START_SECONDS, END_SECONDS = 120.0, 60.0

pytestmark = [pytest.mark.booted, pytest.mark.timeout(pair.DEADLINE + 60)]


def started() -> subprocess.Popen[str]:
    program = shutil.which("causeway", path=fresh_machine.ROOT / ".venv/bin")
    assert program is not None
    return subprocess.Popen(
        [program, "lab", "demo", "--image", str(fresh_machine.image())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_vm_fails_over_between_appliances_that_boot_and_every_claim_holds() -> None:
    told = ""
    with started() as running:
        assert running.stdout is not None
        for line in running.stdout:
            fresh_machine.news(line)
            told += line
    outcome = OUTCOME.search(told)
    assert outcome is not None, told
    assert running.returncode == 0, told
    assert outcome[1] == outcome[2]
    assert int(outcome[2]) > 10


def below(parent: int) -> set[int]:
    """Processes that descend from this one, QEMU in the background too: the sandbox's init has it."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(ppid) for pid, ppid in (line.split() for line in listed.splitlines())}
    found = {parent}
    while more := {pid for pid, ppid in parents.items() if ppid in found} - found:
        found |= more
    return found - {parent}


def machines(parent: int) -> set[int]:
    """Those that are machines."""
    return {pid for pid in below(parent) if name(pid).startswith(acceleration.QEMU[:15])}


def name(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_pair_that_is_ended_leaves_no_machine(number: signal.Signals) -> None:
    with started() as running:
        deadline = time.monotonic() + START_SECONDS
        alive: set[int] = set()
        # QEMU leaves for the background by another process; what lasts is a machine.
        while len(alive) != APPLIANCES or machines(running.pid) != alive:
            assert time.monotonic() < deadline, alive
            alive = machines(running.pid)
            time.sleep(1)
        running.send_signal(number)
        told, _ = running.communicate(timeout=END_SECONDS)
    if number != signal.SIGKILL:
        assert running.returncode == demonstration.INTERRUPTED, told
        assert "nothing of it is left" in told
    deadline = time.monotonic() + END_SECONDS
    while any(name(pid) for pid in alive) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [pid for pid in alive if name(pid)]
