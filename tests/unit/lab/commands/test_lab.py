"""The command: what it says when something is not as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from causeway_lab.assembly.lab import LabError
from causeway_lab.commands.whole import lab
from causeway_lab.service import client, daemon
from causeway_wire.desired import Extension


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(lab, arguments)
    return result.exit_code, " ".join(result.output.split())


def test_help_shows_the_commands_in_the_order_of_use() -> None:
    code, text = _run("--help")
    assert code == 0
    steps = [text.index(f"causeway lab {name}") for name in ("up", "failover", "status", "undo", "down")]
    assert steps == sorted(steps)


@pytest.mark.parametrize(
    "command", [["status"], ["down"], ["failover", "acme/db1"], ["exec", "acme/web1", "true"]]
)
def test_without_a_lab_the_message_says_how_to_start_one(command: list[str]) -> None:
    code, text = _run(*command)
    assert code == 1
    assert "causeway lab up" in text
    assert "Traceback" not in text


def test_the_message_names_the_lab_asked_for() -> None:
    assert "causeway lab up --name other" in _run("status", "--name", "other")[1]


def test_a_vm_without_its_tenant_is_refused_with_an_example() -> None:
    code, text = _run("failover", "db1")
    assert code == 1
    assert "acme/db1" in text


def test_a_lab_is_running_only_while_its_lock_is_held(tmp_path: Path) -> None:
    lab = client.LabClient("mine")
    lab.directory.mkdir(parents=True)
    (lab.directory / daemon.SOCKET).touch()
    assert not lab.running()
    with daemon.lock(lab.directory):
        assert lab.running()
        with pytest.raises(LabError, match="up already"):
            lab.start(Extension.ROUTED)
    assert not lab.running()


def test_a_directory_too_deep_for_a_socket_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/" + "long/" * 30)
    with pytest.raises(LabError, match="XDG_STATE_HOME"):
        client.LabClient("mine")
