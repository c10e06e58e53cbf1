"""What an engineer does to the controller's memory on its own host: backup, restore, the keys of the vault.

Nothing here needs the controller to run, and all but a restore may be done while it does.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from causeway_controller.app import unlocking
from causeway_controller.app.serving import open_store, utc_now
from causeway_controller.errors import MasterKeyError
from causeway_controller.settings import Settings
from causeway_controller.store import backup, backup_file, vault
from causeway_controller.store.backup import Summary
from causeway_controller.store.database import Database, connect
from causeway_controller.store.secrets import Entry, Resealed, Secrets
from causeway_controller.trust import master_key
from causeway_wire.types import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """A master key and what it is for."""

    number: int
    secrets: int
    newest: bool


def back_up(settings: Settings, path: Path) -> Summary:
    """Write a backup; the store may be of an older version, as before an upgrade. Raises StoreError."""
    with _connected(settings) as database:
        return backup.backup(database, path, now=utc_now, actor=actor())


def opened(path: Path) -> BinaryIO:
    """Open a backup. Raises StoreError."""
    return backup_file.opened(path)


def restore(settings: Settings, file: BinaryIO) -> Summary:
    """Fill the empty store that the settings name. Raises StoreError."""
    with _connected(settings) as database:
        return backup.restore(database, file, now=utc_now, actor=actor())


def keys(settings: Settings) -> tuple[KeyUse, ...]:
    """The keys that the settings lead to, and how many secrets each seals. Raises StartError, StoreError."""
    with stored(settings) as database:
        given, counts = unlocking.read_keys(settings), vault.in_use(database)
        vault.unlock(database, given, now=utc_now, actor=actor())
        return tuple(
            KeyUse(number=number, secrets=counts.get(number, 0), newest=number == given.newest)
            for number in given.numbers
        )


def add_key(settings: Settings) -> int:
    """Add a key to the file of keys; return its number. Raises MasterKeyError when they are in no file."""
    path = settings.master_key.file
    if path is None:
        hint = "add a line of the next number and `openssl rand -base64 32` there"
        raise MasterKeyError(f"master keys come from {unlocking.key_source(settings)}; {hint}")
    grown = unlocking.read_keys(settings).with_new()
    master_key.replace(path, grown)
    return grown.newest


def drop_key(settings: Settings, number: int) -> None:
    """Have the store forget a key that seals nothing any more. Raises StartError, StoreError.

    The file of keys stays as it is: older backups open with that key only.
    """
    with stored(settings) as database:
        vault.drop(database, number, now=utc_now, actor=actor())


def reseal(settings: Settings) -> Resealed:
    """Seal every secret with the newest key. Raises StartError, StoreError."""
    with _secrets(settings) as kept:
        return kept.reseal(actor=actor())


def put_secret(settings: Settings, name: str, value: Secret) -> None:
    """Keep a secret. Raises StartError, StoreError."""
    with _secrets(settings) as kept:
        kept.put(name, value, actor=actor())


def remove_secret(settings: Settings, name: str) -> None:
    """Forget a secret. Raises StartError, StoreError."""
    with _secrets(settings) as kept:
        kept.remove(name, actor=actor())


def secret_names(settings: Settings) -> tuple[Entry, ...]:
    """The secrets that were entered, without their values. Raises StartError, StoreError."""
    with _secrets(settings) as kept:
        return kept.entries()


@contextmanager
def _connected(settings: Settings) -> Iterator[Database]:
    """The store as it is, of whatever version."""
    database = connect(settings.store.reveal())
    try:
        yield database
    finally:
        database.close()


@contextmanager
def stored(settings: Settings) -> Iterator[Database]:
    """The store, which has the tables of this version; closed at the end. Raises StartError, StoreError."""
    database = open_store(settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _secrets(settings: Settings) -> Iterator[Secrets]:
    with stored(settings) as database:
        yield vault_in(settings, database)


def vault_in(settings: Settings, database: Database) -> Secrets:
    """The secrets in this store, unlocked. Raises StartError, StoreError."""
    sealing = unlocking.unlocked(settings, database, now=utc_now, actor=actor())
    return Secrets(database, sealing, now=utc_now)


def actor() -> str:
    """Who does it, for the audit."""
    return f"{getpass.getuser()} on the controller's host"
