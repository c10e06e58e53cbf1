"""The parts of a controller that are no API: its certificate's age, its log, its service manager."""

from __future__ import annotations

import asyncio
import grp
import json
import logging
import os
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from causeway_controller.app import disk_watch, listening, logs, notify
from causeway_controller.app.certificate_watch import CertificateWatch
from causeway_controller.app.disk_watch import DiskWatch
from causeway_controller.errors import StartError
from causeway_controller.settings import Listen, Tls
from causeway_controller.trust import pki, server_certificate

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(("days", "due"), [(1, False), (200, False), (270, True), (500, True)])
async def test_a_certificate_is_due_after_two_thirds_of_its_life(
    tmp_path: Path, days: int, *, due: bool
) -> None:
    made = server_certificate.self_signed(pki.make_key(), names=["a.example", "192.0.2.1"], now=NOW)
    path = tmp_path / "certificate.pem"
    path.write_text(pki.pem(made))
    watch = CertificateWatch(certificate=path, now=lambda: NOW + timedelta(days=days))
    found = await watch.troubles()
    assert bool(found) is due


async def test_a_certificate_that_is_none_is_a_trouble(tmp_path: Path) -> None:
    watch = CertificateWatch(certificate=tmp_path / "none", now=lambda: NOW)
    assert "cannot be read" in (await watch.troubles())[0].detail
    (tmp_path / "none").write_text("nonsense")
    assert "cannot be read" in (await watch.troubles())[0].detail


async def test_a_disk_that_is_nearly_full_is_told_once_before_nothing_can_be_written(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    both = disk_watch.written(tmp_path, f"sqlite:///{store}/causeway.db")
    assert both == (tmp_path, store)
    assert disk_watch.written(tmp_path, "postgresql://db.example/causeway") == (tmp_path,)
    assert await DiskWatch(directories=both, least=0).troubles() == ()
    (found,) = await DiskWatch(directories=(*both, tmp_path / "none"), least=1 << 62).troubles()
    assert f"MiB are left on the disk of {tmp_path}" in found.detail
    assert "make room there" in found.detail


def test_a_record_is_a_line_of_json_with_its_extras() -> None:
    record = logging.makeLogRecord(
        {"name": "causeway", "levelname": "INFO", "msg": "began\nsecond %s", "args": ("line",), "run": "r1"}
    )
    line = logs.JsonLines().format(record)
    told = json.loads(line)
    assert (told["event"], told["run"], told["level"]) == ("began\nsecond line", "r1", "info")
    assert "\n" not in line


async def test_the_service_manager_hears_that_the_loop_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with manager:
        telling = asyncio.create_task(notify.keep_alive())
        heard = [await asyncio.to_thread(manager.recv, 100) for _ in range(3)]
        telling.cancel()
    assert heard == [b"WATCHDOG=1"] * 3
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.watchdog_seconds() is None
    notify.notify("READY=1")


def test_a_socket_is_its_owners_and_a_dead_controllers_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run/c.sock"
    first = listening.unix_socket(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(StartError, match="already"):
        listening.unix_socket(path)
    first.close()
    listening.unix_socket(path).close()


def test_a_socket_may_be_a_groups(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    listening.unix_socket(path, os.getegid()).close()
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, os.getegid())
    own = grp.getgrgid(os.getegid()).gr_name
    assert (listening.group_number(own), listening.group_number(None)) == (os.getegid(), None)
    with pytest.raises(StartError, match="correct socket_group"):
        listening.group_number("nobody-has-this")


def test_a_socket_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="name another"):
        listening.unix_socket(tmp_path / "file/c.sock")


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    tls = Tls(listen=Listen(address="127.0.0.1", port=1), certificate=tmp_path / "c", key=tmp_path / "k")
    with pytest.raises(StartError, match="causeway setup"):
        listening.tls_context(tls)
