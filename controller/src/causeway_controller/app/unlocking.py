"""The vault's keys, from where the settings say that they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from causeway_controller.errors import StartError
from causeway_controller.settings import Settings
from causeway_controller.store import vault
from causeway_controller.store.database import Database
from causeway_controller.trust import master_key
from causeway_controller.trust.master_key import Credential, KeyCommand, KeyFile, MasterKeys, Source
from causeway_controller.trust.sealing import Vault

_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"


def unlocked(settings: Settings, database: Database, *, now: Callable[[], datetime], actor: str) -> Vault:
    """The vault of this store. Raises StartError, MasterKeyError, StoreError."""
    return vault.unlock(database, read_keys(settings), now=now, actor=actor)


def read_keys(settings: Settings) -> MasterKeys:
    """The keys themselves. Raises StartError, MasterKeyError."""
    return master_key.read(key_source(settings))


def key_source(settings: Settings) -> Source:
    """Where they are. Raises StartError."""
    wanted = settings.master_key
    if wanted.file is not None:
        return KeyFile(wanted.file)
    if wanted.command:
        return KeyCommand(wanted.command)
    directory = os.environ.get(_CREDENTIALS)
    if directory is None:
        hint = "start it by systemd with LoadCredentialEncrypted=master.key, or set master_key to file:PATH"
        raise StartError(f"${_CREDENTIALS} is not set, so there is no credential; {hint}")
    return Credential(Path(directory))
