"""`causeway setup`: what is missing, who owns what it makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from causeway_controller.app import unlocking
from causeway_controller.commands.setup import setup
from causeway_controller.settings import load
from causeway_controller.store import revisions
from causeway_controller.store.database import connect
from causeway_controller.store.secrets import Secrets
from causeway_wire.types import Secret

COMMANDS = typer.Typer()
COMMANDS.command()(setup)
SOMEBODY = 4_321


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that others may enter; pytest's own are their user's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def asked(state: Path, *words: str) -> Result:
    config = state.with_suffix(".yaml")
    config.write_text(f"state: {state}\n")
    return CliRunner().invoke(COMMANDS, ["--config", str(config), *words])


def missing(state: Path) -> list[str]:
    result = asked(state, "--dry-run")
    lines = result.stdout.splitlines()
    assert result.exit_code == (0 if lines == ["Nothing is missing."] else 1), result.output
    return lines


def test_a_dry_run_names_what_is_missing_and_makes_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert missing(state) == [f"{state}: missing"]
    assert not state.exists()
    state.mkdir(mode=0o700)
    assert missing(state) == [f"{state}/master.key: missing", "store (sqlite): missing"]
    assert list(state.iterdir()) == []
    assert asked(state).exit_code == 0
    assert missing(state) == ["Nothing is missing."]


def test_a_program_is_told_what_was_made_and_the_token_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    lacking = asked(state, "--dry-run", "--json")
    assert (lacking.exit_code, json.loads(lacking.stdout)) == (
        1,
        {"missing": [{"what": str(state), "how": "missing"}]},
    )
    (*_, token) = json.loads(asked(state, "--json").stdout)["made"]
    assert (token["what"], token["how"], len(token["token"]) > 20) == ("admin's token", "made", True)
    (*_, again) = json.loads(asked(state, "--json").stdout)["made"]
    assert again == {"what": "admin's token", "how": "there is a valid one"}
    assert json.loads(asked(state, "--dry-run", "--json").stdout) == {"missing": []}


def test_a_dry_run_sees_a_store_of_an_older_version(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert asked(state).exit_code == 0
    database = connect(load(state.with_suffix(".yaml"), {}).store.reveal())
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revisions.known()[0],))
    database.close()
    (line,) = missing(state)
    assert line.startswith("store (sqlite): lacks the tables ")
    assert revisions.known()[-1] in line


def test_no_new_keys_take_the_place_of_those_that_seal_what_is_kept(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert asked(state).exit_code == 0
    keys = state / "master.key"
    keys.unlink()
    assert asked(state).exit_code == 0, "nothing was sealed yet"
    settings = load(state.with_suffix(".yaml"), {})
    database = connect(settings.store.reveal())
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    sealing = unlocking.unlocked(settings, database, now=now, actor="test")
    Secrets(database, sealing, now=now).put("vcenter", Secret("user\npassword"), actor="test")
    database.close()
    kept = keys.read_bytes()
    keys.unlink()
    for words in ((), ("--dry-run",)):
        done = asked(state, *words)
        assert (done.exit_code, keys.exists()) == (1, False)
        assert (
            f"{keys} is gone, and only its keys open what is sealed in the store (secrets: 1)" in done.stderr
        )
        assert "put your copy of it back" in done.stderr
    keys.write_bytes(kept)
    keys.chmod(0o600)
    assert asked(state).exit_code == 0


def test_no_new_keys_are_made_while_nobody_can_say_what_the_store_holds(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert asked(state).exit_code == 0
    keys = state / "master.key"
    keys.unlink()
    (state / "causeway.db").write_bytes(b"no database" * 500)
    for words in ((), ("--dry-run",)):
        done = asked(state, *words)
        assert (done.exit_code, keys.exists()) == (1, False)
        assert "restore the backup" in done.stderr


@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can go on as somebody else")
def test_root_goes_on_as_the_owner_of_the_state_directory(open_path: Path) -> None:
    state = open_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, SOMEBODY, SOMEBODY)
    config = open_path / "c.yaml"
    config.write_text(f"state: {state}\n")
    for words in (("setup",), ("vault", "add-key")):
        done = subprocess.run(
            (sys.executable, "-m", "causeway_controller", *words, "--config", str(config)),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    made = [path for path in state.rglob("*") if path.is_file()]
    assert {path.name for path in made} >= {"master.key", "causeway.db"}
    assert {path.stat().st_uid for path in made} == {SOMEBODY}
