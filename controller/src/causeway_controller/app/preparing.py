"""`causeway setup`: everything that a controller needs before it starts. Repeatable; what is there stays."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causeway_controller import files, system_words
from causeway_controller.app.serving import utc_now
from causeway_controller.contract.access import Role
from causeway_controller.contract.tokens import NewToken
from causeway_controller.errors import StartError
from causeway_controller.settings import Settings, Tls
from causeway_controller.store import migrate, revisions, vault
from causeway_controller.store.database import Database, connect, is_absent
from causeway_controller.store.tokens import Tokens
from causeway_controller.trust import master_key, pki, server_certificate
from causeway_wire.types import Secret

ACTOR: Final = "setup"
_ADMIN: Final = NewToken(name="first-admin", role=Role.ADMIN, days=365)


@dataclass(frozen=True, slots=True)
class Made:
    """A thing that the controller needs, and how it is with it; in one line."""

    what: str
    how: str
    token: Secret | None = None
    """Shown this once."""

    def __str__(self) -> str:
        """`what: how`, with the token."""
        return f"{self.what}{', shown this once: ' + self.token.reveal() if self.token else ': ' + self.how}"

    def value(self) -> dict[str, str]:
        """Return it for JSON."""
        shown = {} if self.token is None else {"token": self.token.reveal()}
        return {"what": self.what, "how": self.how, **shown}


def prepare(settings: Settings, *, names: Iterable[str], token_file: Path | None) -> Iterator[Made]:
    """Make what is missing; yield each thing. Raises StartError, StoreError."""
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


def missing(settings: Settings) -> Iterator[Made]:
    """Yield each thing that `prepare` would make. Raises StartError, StoreError."""
    if not settings.state.is_dir():
        yield Made(str(settings.state), "missing")
        return
    key = settings.master_key.file
    if key is not None and not key.exists():
        _refuse_lost(key, settings.store.reveal())
        yield Made(str(key), "missing")
    if settings.tls is not None and not settings.tls.certificate.exists():
        yield Made(str(settings.tls.certificate), "missing")
    if is_absent(settings.store.reveal()):
        yield Made("store (sqlite)", "missing")
        return
    database = connect(settings.store.reveal())
    try:
        if lacking := revisions.missing(database):
            yield Made(f"store ({database.dialect})", f"lacks the tables {', '.join(lacking)}")
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


def _directory(state: Path) -> Made:
    existed = state.is_dir()
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{state} cannot be made ({error.strerror}); correct the setting `state`") from error
    return Made(str(state), "is there" if existed else "made")


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


def _master_key(path: Path) -> Made:
    if path.exists():
        return Made(str(path), "is there; keep a copy away from the backups of the store")
    master_key.create(path)
    how = "made; keep a copy away from the backups of the store: without it no secret opens"
    return Made(str(path), how)


def _store(database: Database) -> Made:
    missing = revisions.missing(database)
    if not missing:
        return Made(f"store ({database.dialect})", "has the tables of this version")
    migrate.upgrade(database)
    how = f"brought to the tables of this version ({', '.join(missing)})"
    return Made(f"store ({database.dialect})", how)


def _certificate(tls: Tls, names: tuple[str, ...]) -> Made:
    if tls.certificate.exists() and tls.key.exists():
        return Made(str(tls.certificate), "is there")
    if tls.certificate.exists() or tls.key.exists():
        raise StartError(f"of {tls.certificate} and {tls.key} one is missing; put both there, or remove both")
    wanted = names or (socket.gethostname(), tls.listen.address)
    key = pki.make_key()
    try:
        certificate = server_certificate.self_signed(key, names=wanted, now=utc_now())
        files.write(tls.key, pki.private_pem(key), mode=files.PRIVATE)
        files.write(tls.certificate, pki.pem(certificate).encode(), mode=files.PUBLIC)
    except (OSError, ValueError) as error:
        raise StartError(
            f"a certificate cannot be made at {tls.certificate} ({system_words.why(error)})"
        ) from error
    how = f"made for {', '.join(wanted)}, signed by itself; clients need it as --ca-file"
    return Made(str(tls.certificate), how)


def _token(database: Database, token_file: Path | None) -> Made:
    """The secret goes to the file, or into the sentence: it can be shown this once."""
    tokens = Tokens(database=database, now=utc_now, random=secrets.token_bytes)
    if tokens.any_admin():
        return Made("admin's token", "there is a valid one")
    secret = tokens.make(_ADMIN, actor=ACTOR).secret
    if token_file is None:
        return Made("admin's token", "made", Secret(secret))
    try:
        files.write(token_file, secret.encode() + b"\n", mode=files.PRIVATE)
    except OSError as error:
        detail = f"the token cannot be written to {token_file} ({error.strerror}): {secret}"
        raise StartError(detail) from error
    return Made(str(token_file), "made, holds an admin's token")
