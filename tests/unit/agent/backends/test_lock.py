"""One process at a time works on an appliance, and a hung one can be told from everybody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from causeway_agent.backends.processes import lock, process_age
from causeway_agent.errors import HeldError

HOLD = """
import sys, time
from pathlib import Path
from causeway_agent.backends.processes import lock
with lock.hold(Path(sys.argv[1]), lock.AGENT):
    print("held", flush=True)
    time.sleep(60)
"""


def take(directory: Path) -> None:
    """Hold the appliance for a moment."""
    with lock.hold(directory, lock.ROLLBACK):
        pass


def test_the_second_is_told_who_was_first_and_the_end_of_the_first_frees_it(tmp_path: Path) -> None:
    with lock.hold(tmp_path, lock.AGENT):
        with pytest.raises(HeldError, match=f"agent {os.getpid()} works on this appliance"):
            take(tmp_path)
        assert lock.holder(tmp_path) == lock.Holder(
            "agent", os.getpid(), process_age.start_time(os.getpid()) or 0
        )
    take(tmp_path)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(HeldError):
            take(tmp_path)
        holder = lock.holder(tmp_path)
        assert holder is not None
        assert holder.pid == first.pid
        assert holder.end()
        assert first.wait(10) == -signal.SIGKILL
    assert not holder.end()
    take(tmp_path)


def test_nobody_else_is_ended_in_the_place_of_a_holder() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with bystander:
        started = process_age.start_time(bystander.pid)
        assert started is not None
        try:
            assert not lock.Holder(lock.AGENT, bystander.pid, started - 1).end()
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_starting_agent_waits_for_a_rollback_and_not_for_an_agent(tmp_path: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def work() -> None:
        with lock.hold(tmp_path, lock.ROLLBACK):
            held.set()
            done.wait(0.3)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert held.wait(5)
        with lock.hold(tmp_path, lock.AGENT, patience=10.0):
            began = time.monotonic()
            with pytest.raises(HeldError), lock.hold(tmp_path, lock.AGENT, patience=10.0):
                pass
            assert time.monotonic() - began < 5
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("text", ["", "agent", "agent x y", "agent 1"])
def test_a_spoilt_note_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / lock.NAME).write_text(text)
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path, lock.AGENT):
        assert lock.holder(tmp_path) is not None
