"""Backup, restore and the vault from the command line, on a host whose controller does not run."""

from __future__ import annotations

import getpass
import json
from datetime import datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from causeway_controller.app import preparing
from causeway_controller.commands import backup as commands
from causeway_controller.commands.backup import backup, restore
from causeway_controller.commands.vault import vault
from causeway_controller.settings import Settings, load
from causeway_controller.store.audit import Audit
from causeway_controller.store.database import connect

COMMANDS = typer.Typer()
COMMANDS.command()(backup)
COMMANDS.command()(restore)
COMMANDS.add_typer(vault, name="vault")


class Host:
    """A host that was set up."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.config = state.with_suffix(".yaml")
        self.config.write_text(f"state: {state}\n")
        self.settings = load(self.config, {})

    def set_up(self) -> Host:
        list(preparing.prepare(self.settings, names=(), token_file=self.state / "token"))
        return self

    def run(self, *words: str | Path, text: str = "", fails: bool = False) -> str:
        """What the command says."""
        asked = [*map(str, words), "--config", str(self.config)]
        result: Result = CliRunner().invoke(COMMANDS, asked, input=text)
        assert result.exit_code == (1 if fails else 0), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "one").set_up()


def test_secrets_are_entered_named_and_removed_and_never_shown(host: Host) -> None:
    said = host.run("vault", "put", "hypervisor/esx1", text="hunter2\n")
    said += host.run("vault", "list") + host.run("vault", "keys")
    assert "hypervisor/esx1\tkey 1\t" in said
    assert "key 1\t1 secrets\tseals what is entered" in said
    assert "hunter2" not in said
    host.run("vault", "remove", "hypervisor/esx1")
    assert host.run("vault", "list") == ""


def test_programs_are_told_as_json(host: Host, tmp_path: Path) -> None:
    assert json.loads(host.run("vault", "list", "--json")) == []
    host.run("vault", "put", "hypervisor/esx1", text="hunter2\n")
    (entry,) = json.loads(host.run("vault", "list", "--json"))
    assert (entry["name"], entry["key"]) == ("hypervisor/esx1", 1)
    assert datetime.fromisoformat(entry["at"]).tzinfo is not None
    assert json.loads(host.run("vault", "keys", "--json")) == [{"number": 1, "secrets": 1, "newest": True}]
    made = json.loads(host.run("backup", tmp_path / "one.backup", "--json"))
    assert (made["file"], len(made["sha256"])) == (str(tmp_path / "one.backup"), 64)
    assert min(made["rows"], made["tables"]) > 1


def test_a_master_key_is_exchanged(host: Host) -> None:
    host.run("vault", "put", "a", text="x")
    assert host.run("vault", "add-key").startswith("key 2: added")
    assert "lacks" not in host.run("vault", "keys")
    assert "still seals 1 secrets" in host.run("vault", "drop-key", "1", fails=True)
    assert host.run("vault", "reseal") == "1 secrets sealed anew\n"
    assert "key 1\t0 secrets\tcan be dropped" in host.run("vault", "keys")
    assert host.run("vault", "drop-key", "1").startswith("key 1: dropped")
    assert "is the newest" in host.run("vault", "drop-key", "2", fails=True)
    path = host.settings.master_key.file
    assert path is not None
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if line[0] != "1"))
    assert "key 2\t1 secrets" in host.run("vault", "keys")


def test_a_lost_key_is_told_with_what_it_seals(host: Host) -> None:
    host.run("vault", "put", "a", text="x")
    path = host.settings.master_key.file
    assert path is not None
    path.unlink()
    assert "No such file" in host.run("vault", "list", fails=True)


def test_keys_of_a_command_are_not_added_to(host: Host) -> None:
    path = host.settings.master_key.file
    host.config.write_text(f"state: {host.state}\nmaster_key: 'command:cat {path}'\n")
    assert "the command cat; add a line" in host.run("vault", "add-key", fails=True)
    assert host.run("vault", "list") == ""


def test_keys_of_a_credential_are_where_the_service_manager_says(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.config.write_text(f"state: {host.state}\nmaster_key: credential\n")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "CREDENTIALS_DIRECTORY is not set" in host.run("vault", "list", fails=True)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(host.state))
    assert host.run("vault", "list") == ""


def test_a_backup_is_restored_on_another_host(host: Host, tmp_path: Path) -> None:
    host.run("vault", "put", "a", text="x")
    said = host.run("backup", tmp_path / "b")
    assert "SHA-256" in said
    assert "is there already" in host.run("backup", tmp_path / "b", fails=True)
    assert "the backup . cannot be written: Is a directory" in host.run("backup", ".", fails=True)
    mistyped = tmp_path / "bakcups" / "b"
    assert "cannot be written: No such file or directory" in host.run("backup", mistyped, fails=True)
    assert not mistyped.parent.exists()
    other = Host(tmp_path / "two")
    other.state.mkdir(mode=0o700)
    assert " rows restored" in other.run("restore", tmp_path / "b")
    assert "not empty" in other.run("restore", tmp_path / "b", fails=True)
    assert "No such file" in other.run("vault", "list", fails=True)
    path = host.settings.master_key.file
    assert path is not None
    (other.state / path.name).write_text(path.read_text())
    (other.state / path.name).chmod(0o600)
    assert other.run("vault", "list").startswith("a\tkey 1")
    database = connect(other.settings.store.reveal())
    acts = [record.act for record in Audit(database).records()]
    database.close()
    assert (acts[-1].action, acts[-1].actor) == (
        "store.restore",
        f"{getpass.getuser()} on the controller's host",
    )


def test_programs_are_told_what_was_done(host: Host, tmp_path: Path) -> None:
    assert json.loads(host.run("vault", "add-key", "--json")) == {"number": 2, "added": True}
    assert json.loads(host.run("vault", "reseal", "--json"))["broken"] == []
    assert json.loads(host.run("vault", "drop-key", "1", "--json")) == {"number": 1, "dropped": True}
    host.run("backup", tmp_path / "b")
    other = Host(tmp_path / "two")
    other.state.mkdir(mode=0o700)
    found = json.loads(other.run("restore", tmp_path / "b", "--json"))
    assert (found["file"], found["rows"] > 0) == (str(tmp_path / "b"), True)
    assert found.keys() == {"file", "rows", "made", "program"}


def test_what_root_may_read_is_restored_as_the_owner(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = tmp_path / "b", Host(tmp_path / "two")
    host.run("backup", made)
    other.state.mkdir(mode=0o700)

    def owner(_: Path | None) -> Settings:
        made.rename(tmp_path / "out of the owner's reach")
        return other.settings

    monkeypatch.setattr(commands, "settings_as_owner", owner)
    assert f"{made}: " in other.run("restore", made)
