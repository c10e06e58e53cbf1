"""The vault's keys are read from where the settings say, and are those of the store or none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from causeway_controller.app import preparing, unlocking
from causeway_controller.app.serving import open_store
from causeway_controller.errors import MasterKeyError, StartError
from causeway_controller.settings import Settings, load
from causeway_controller.trust import master_key


def configured(directory: Path, more: str = "") -> Settings:
    config = directory / "controller.yaml"
    config.write_text(f"state: {directory}/state\n{more}")
    return load(config, {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = configured(tmp_path)
    list(preparing.prepare(found, names=(), token_file=tmp_path / "token"))
    return found


def newest(settings: Settings) -> int:
    database = open_store(settings)
    try:
        return unlocking.unlocked(settings, database, now=lambda: datetime.now(UTC), actor="anna").newest
    finally:
        database.close()


def test_other_keys_than_the_stores_are_refused(settings: Settings) -> None:
    assert newest(settings) == 1
    path = settings.master_key.file
    assert path is not None
    path.unlink()
    with pytest.raises(MasterKeyError, match="No such file"):
        newest(settings)
    master_key.create(path)
    with pytest.raises(MasterKeyError, match="is not the key 1 of this store"):
        newest(settings)


def test_keys_come_from_the_service_manager_or_a_command(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert newest(settings) == 1
    other = configured(tmp_path, "master_key: credential\n")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(StartError, match="CREDENTIALS_DIRECTORY is not set"):
        newest(other)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(settings.state))
    assert newest(other) == 1
    path = settings.master_key.file
    assert newest(configured(tmp_path, f"master_key: 'command:cat {path}'\n")) == 1
