"""Who takes a change back in our place: waits exactly, outlives us, is found again, and is told once."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from causeway_agent.backends.processes import dead_man, process_age
from causeway_agent.backends.processes.dead_man import DetachedProcess, TimerUnit
from causeway_agent.errors import BackendError


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_man, "GRACE_SECONDS", 0.0)


def detached(directory: Path) -> DetachedProcess:
    """One whose command leaves a file named after the change."""
    return DetachedProcess(
        directory / "run", command=lambda change: ("/usr/bin/touch", str(directory / change))
    )


async def appears(path: Path) -> float:
    """When it does, on the monotonic clock."""
    async with asyncio.timeout(10):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.01)
    return time.monotonic()


async def test_the_command_runs_when_the_time_is_over_and_not_before(tmp_path: Path) -> None:
    began = time.monotonic()
    async with detached(tmp_path) as man:
        await man.arm("0000000001-g1", seconds=0.6)
        assert 0.6 <= await appears(tmp_path / "0000000001-g1") - began < 3


async def test_it_outlives_who_armed_it_and_a_later_one_finds_and_disarms_it(tmp_path: Path) -> None:
    async with detached(tmp_path) as first:
        for change in ("0000000001-g1", "0000000002-g2"):
            await first.arm(change, seconds=1.0)
    async with detached(tmp_path) as second:
        await second.disarm("0000000001-g1")
        await second.disarm("0000000009-g9")
    await appears(tmp_path / "0000000002-g2")
    assert not (tmp_path / "0000000001-g1").exists()


async def test_arming_again_moves_the_moment(tmp_path: Path) -> None:
    async with detached(tmp_path) as man:
        await man.arm("0000000001-g1", seconds=0.3)
        await man.arm("0000000001-g1", seconds=60)
        await asyncio.sleep(0.6)
        assert not (tmp_path / "0000000001-g1").exists()
        await man.disarm("0000000001-g1")


def resident_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def test_it_is_in_a_session_of_its_own_and_small(tmp_path: Path) -> None:
    async with detached(tmp_path) as man:
        await man.arm("0000000001-g1", seconds=60)
        pid = int((tmp_path / "run/0000000001-g1/process").read_text().split()[0])
        assert os.getsid(pid) == pid
        assert resident_kilobytes(pid) < 16 * 1024
        await man.disarm("0000000001-g1")
        assert process_age.start_time(pid) is None


async def test_nobody_is_armed_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file is in the way")
    async with detached(tmp_path) as man:
        with pytest.raises(BackendError, match="arm the rollback of 0000000001-g1"):
            await man.arm("0000000001-g1", seconds=1)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of systemd's names that note how they were called."""
    notes = tmp_path / "notes"
    for name in ("systemd-run", "systemctl"):
        program = tmp_path / name
        # systemctl fails for a unit that is not loaded, unless a pattern asked for it.
        script = f'echo {name} "$@" >> {notes}; case "$*" in *.service) exit 5;; esac'
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return notes


def notes(path: Path) -> list[str]:
    return path.read_text().splitlines()


async def test_where_systemd_runs_a_timer_of_its_own_waits(systemd: Path) -> None:
    async with TimerUnit(command=lambda change: ("/opt/agent", "rollback", change)) as man:
        await man.arm("0000000001-g1", seconds=60)
        await man.arm("0000000001-g1", seconds=90)
        await man.disarm("0000000001-g1")
    first, second, stopped, disarmed = notes(systemd)
    assert "--on-active=60.000s" in first
    assert first.endswith("-- /opt/agent rollback 0000000001-g1")
    old, new = (line.partition("--unit=")[2].split()[0] for line in (first, second))
    assert old != new
    assert stopped == f"systemctl stop {old}.*"
    assert disarmed == "systemctl stop causeway-rollback-0000000001-g1-*.timer"


async def test_a_refusal_of_systemd_is_told_in_its_words(systemd: Path) -> None:
    (systemd.parent / "systemd-run").write_text("#!/bin/sh\necho no such bus >&2\nexit 1\n")
    async with TimerUnit(command=lambda _: ("/opt/agent",)) as man:
        with pytest.raises(BackendError, match="no such bus"):
            await man.arm("0000000001-g1", seconds=1)


def test_the_one_that_fits_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for there, kind in ((True, TimerUnit), (False, DetachedProcess)):
        monkeypatch.setattr(dead_man, "_SYSTEMD", tmp_path if there else tmp_path / "none")
        assert isinstance(dead_man.make(directory=tmp_path, command=lambda _: ()), kind)
