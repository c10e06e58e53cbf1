"""`causeway setup`: everything that a controller needs before it starts. Repeatable; what is there stays."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from causeway_controller import files
from causeway_controller.app.serving import utc_now
from causeway_controller.contract.access import Role
from causeway_controller.contract.tokens import NewToken
from causeway_controller.errors import StartError
from causeway_controller.settings import Settings, Tls
from causeway_controller.store import migrate, revisions, vault
from causeway_controller.store.database import Database, connect, is_absent
from causeway_controller.store.tokens import Tokens
from causeway_controller.trust import master_key, pki, server_certificate

ACTOR: Final = "setup"
_ADMIN: Final = NewToken(name="first-admin", role=Role.ADMIN, days=365)


def prepare(settings: Settings, *, names: Iterable[str], token_file: Path | None) -> Iterator[str]:
    """Make what is missing; yield a sentence for each thing. Raises StartError, StoreError."""
    yield _directory(settings.state)
    if settings.master_key.file is not None:
        _refuse_lost(settings.master_key.file, settings.store.reveal())
        yield _master_key(settings.master_key.file)
    database = connect(settings.store.reveal())
    try:
        yield _store(database)
        if settings.tls is not None:
            yield _certificate(settings.tls, tuple(names))
        yield _token(database, token_file)
    finally:
        database.close()


def missing(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each thing that `prepare` would make. Raises StartError, StoreError."""
    if not settings.state.is_dir():
        yield f"{settings.state}: missing"
        return
    key = settings.master_key.file
    if key is not None and not key.exists():
        _refuse_lost(key, settings.store.reveal())
        yield f"{key}: missing"
    if settings.tls is not None and not settings.tls.certificate.exists():
        yield f"{settings.tls.certificate}: missing"
    if is_absent(settings.store.reveal()):
        yield "store (sqlite): missing"
        return
    database = connect(settings.store.reveal())
    try:
        if lacking := revisions.missing(database):
            yield f"store ({database.dialect}): lacks the tables {', '.join(lacking)}"
    finally:
        database.close()


def give(state: Path, user: str) -> None:
    """Make the state directory and give it to the user. Raises StartError. Needs root."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise StartError(f"there is no user {user}; make it, or name another with --user") from error
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(state, entry.pw_uid, entry.pw_gid)
    except OSError as error:
        raise StartError(f"{state} cannot be given to {user} ({error.strerror}); run this as root") from error


def _directory(state: Path) -> str:
    existed = state.is_dir()
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{state} cannot be made ({error.strerror}); correct the setting `state`") from error
    return f"{state}: {'is there' if existed else 'made'}"


def _refuse_lost(keys: Path, store: str) -> None:
    """Raise StartError where a new file of keys would take the place of one that is needed, StoreError where
    nobody can say whether it would.
    """
    if keys.exists() or is_absent(store):
        return
    database = connect(store)
    try:
        made = revisions.missing(database) != revisions.known()
        sealed = sum(vault.in_use(database).values()) if made else 0
    finally:
        database.close()
    if sealed:
        raise StartError(
            f"{keys} is gone, and only its keys open what is sealed in the store (secrets: {sealed}): put "
            "your copy of it back. Another opens none of that; without any, begin with an empty store"
        )


def _master_key(path: Path) -> str:
    if path.exists():
        return f"{path}: is there; keep a copy away from the backups of the store"
    master_key.create(path)
    return f"{path}: made; keep a copy away from the backups of the store: without it no secret opens"


def _store(database: Database) -> str:
    missing = revisions.missing(database)
    if not missing:
        return f"store ({database.dialect}): has the tables of this version"
    migrate.upgrade(database)
    return f"store ({database.dialect}): brought to the tables of this version ({', '.join(missing)})"


def _certificate(tls: Tls, names: tuple[str, ...]) -> str:
    if tls.certificate.exists() and tls.key.exists():
        return f"{tls.certificate}: is there"
    if tls.certificate.exists() or tls.key.exists():
        raise StartError(f"of {tls.certificate} and {tls.key} one is missing; put both there, or remove both")
    wanted = names or (socket.gethostname(), tls.listen.address)
    key = pki.make_key()
    try:
        certificate = server_certificate.self_signed(key, names=wanted, now=utc_now())
        files.write(tls.key, pki.private_pem(key), mode=files.PRIVATE)
        files.write(tls.certificate, pki.pem(certificate).encode(), mode=files.PUBLIC)
    except (OSError, ValueError) as error:
        raise StartError(f"a certificate cannot be made at {tls.certificate} ({error})") from error
    return f"{tls.certificate}: made for {', '.join(wanted)}, signed by itself; clients need it as --ca-file"


def _token(database: Database, token_file: Path | None) -> str:
    """The secret goes to the file, or into the sentence: it can be shown this once."""
    tokens = Tokens(database=database, now=utc_now, random=secrets.token_bytes)
    if tokens.any_admin():
        return "admin's token: there is a valid one"
    secret = tokens.make(_ADMIN, actor=ACTOR).secret
    if token_file is None:
        return f"admin's token, shown this once: {secret}"
    try:
        files.write(token_file, secret.encode() + b"\n", mode=files.PRIVATE)
    except OSError as error:
        detail = f"the token cannot be written to {token_file} ({error.strerror}): {secret}"
        raise StartError(detail) from error
    return f"{token_file}: made, holds an admin's token"
