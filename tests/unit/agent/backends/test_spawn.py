"""Processes are started, recognised, watched and ended; their files cannot be redirected."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from causeway_agent.backends.processes import process_age, spawn
from causeway_agent.errors import BackendError

SLEEP = ("sleep", "60")


def test_a_uid_map_covers_what_it_lists() -> None:
    table = "         0       1000          1\n         1     100000      65536\n"
    assert spawn.is_mapped(table, 0)
    assert spawn.is_mapped(table, 65536)
    assert not spawn.is_mapped(table, 65537)
    assert not spawn.is_mapped("0 1000 1\n", 65534)


@pytest.mark.parametrize("user", [None, "no-such-user-here"])
def test_without_a_usable_user_there_is_no_uid(user: str | None) -> None:
    assert spawn.unprivileged_uid(user) is None


def test_a_file_is_private_and_follows_no_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place = tmp_path / "configuration"
    place.symlink_to(victim)
    spawn.write_file(place, "secret", None)
    assert victim.read_text() == "precious"
    assert place.read_text() == "secret"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


async def test_an_exit_is_noticed_with_its_status(tmp_path: Path) -> None:
    child = spawn.launch(("sh", "-c", "echo one; echo two; exit 3"), directory=tmp_path, account=None)
    async with asyncio.timeout(5):
        await child.wait()
    assert (child.alive, child.exit_status) == (False, 3)
    assert spawn.output_tail(tmp_path) == ("one", "two")


async def test_a_process_leads_a_session_of_its_own(tmp_path: Path) -> None:
    child = spawn.launch(SLEEP, directory=tmp_path, account=None)
    assert os.getsid(child.pid) == child.pid
    await child.kill()
    assert child.exit_status == -signal.SIGKILL


async def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    child = spawn.launch(("sh", "-c", "trap '' TERM; echo up; sleep 60"), directory=tmp_path, account=None)
    async with asyncio.timeout(5):
        while not spawn.output_tail(tmp_path):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
        await child.terminate(0.1)
    assert child.exit_status == -signal.SIGKILL


async def test_a_missing_program_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="start no-such-program: No such file"):
        spawn.launch(("no-such-program",), directory=tmp_path, account=None)


async def test_a_released_process_runs_on_and_is_adopted_by_its_start_time(tmp_path: Path) -> None:
    child = spawn.launch(SLEEP, directory=tmp_path, account=None)
    child.release()
    assert spawn.adopt(child.pid, child.started + 1) is None
    adopted = spawn.adopt(child.pid, child.started)
    assert adopted is not None
    assert adopted.alive
    adopted.send(signal.SIGKILL)
    async with asyncio.timeout(5):
        await adopted.wait()
    await asyncio.to_thread(os.waitpid, child.pid, 0)
    assert adopted.exit_status is None
    assert spawn.adopt(child.pid, child.started) is None


def test_a_zombie_is_gone() -> None:
    with subprocess.Popen(("true",)) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_age.start_time(process.pid) is None


def test_listening_sockets_are_seen() -> None:
    script = "import socket,sys; s=socket.create_server(('127.0.0.1',0)); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        ("python3", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert spawn.listens(process.pid)
        process.communicate()
    assert not spawn.listens(process.pid)


def test_long_output_is_emptied_short_output_kept(tmp_path: Path) -> None:
    output = tmp_path / spawn.OUTPUT
    output.write_text("short\n")
    spawn.trim_output(tmp_path)
    assert output.read_text() == "short\n"
    output.write_bytes(b"x" * (spawn.OUTPUT_LIMIT + 1))
    spawn.trim_output(tmp_path)
    assert output.stat().st_size == 0
