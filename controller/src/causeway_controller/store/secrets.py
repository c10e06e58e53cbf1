"""Secrets at rest: sealed by the vault, by kind and name. A value leaves only as `Secret`."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, tuple_, update
from sqlalchemy.engine import Connection

from causeway_controller.errors import SealBroken, SecretMissing, StoreError
from causeway_controller.store import audit, vault
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.tables import secret
from causeway_controller.trust.sealing import Place, Vault
from causeway_wire.types import Secret

NAME_PATTERN: Final = r"[a-z0-9]([a-z0-9._/-]{0,125}[a-z0-9])?"
MAX_OCTETS: Final = 64 * 1024
_KEYS: Final = [secret.c.kind, secret.c.name]
_SEALED: Final = select(secret.c.sealed).where(
    secret.c.kind == bindparam("which"), secret.c.name == bindparam("whose")
)
"""Made once: each failover asks for some."""


class Kind(enum.StrEnum):
    """Whose secret it is: names of different kinds never meet."""

    NAMED = "named"
    """Entered by somebody: logins of hypervisors, tokens of bots."""
    AUTHORITY = "authority"
    """Private keys of certificate authorities."""
    TLS_CRYPT_SERVER = "tls-crypt-server"
    """By tenant."""
    TLS_CRYPT_CLIENT = "tls-crypt-client"
    """By tenant and tunnel."""
    ENROLMENT = "enrolment"
    """Tokens of appliances that have not enrolled yet."""
    PEER_KEY = "peer-key"
    """Private keys that tenants' controllers know this provider by."""
    LINK_KEY = "link-key"
    """Private keys that providers know this tenant's controller by."""
    TUNNEL_END = "tunnel-end"
    """By provider and network: tls-crypt-v2 client keys that providers gave this tenant."""
    INVITATION = "invitation"
    """Secrets of invitations that this tenant's controller has not been able to accept yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A secret as it may be listed: never its value."""

    name: str
    key: int
    """Number of the master key that sealed it."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """What a reseal did; `broken` are the secrets that do not open, which stay as they are."""

    count: int
    broken: tuple[SealBroken, ...] = ()


class Secrets:
    """Secrets that were entered by somebody, by name (`hypervisor/esx1/password`)."""

    def __init__(self, database: Database, sealing: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = sealing
        self._now = now

    def put(self, name: str, value: Secret, *, actor: str) -> None:
        """Keep a secret, in place of the one of this name. Raises StoreError."""
        with self._database.write() as connection:
            keep(connection, self._vault, Kind.NAMED, name, value, at=self._now())
            self._audit(connection, "secret.put", name, actor)

    def get(self, name: str) -> Secret:
        """The secret of this name. Raises SealBroken when it does not open, SecretMissing, StoreError."""
        with self._database.read() as connection:
            found = find(connection, self._vault, Kind.NAMED, name)
        if found is None:
            raise SecretMissing(name)
        return found

    def entries(self) -> tuple[Entry, ...]:
        """What secrets there are, by name. Raises StoreError."""
        question = select(secret.c.name, secret.c.key, secret.c.at).where(secret.c.kind == Kind.NAMED)
        with self._database.read() as connection:
            found = [Entry(name=row.name, key=row.key, at=row.at) for row in connection.execute(question)]
        return tuple(sorted(found, key=lambda each: each.name))

    def remove(self, name: str, *, actor: str) -> None:
        """Forget a secret; one that is not there is none. Raises StoreError."""
        with self._database.write() as connection:
            if forget(connection, Kind.NAMED, name):
                self._audit(connection, "secret.remove", name, actor)

    def reseal(self, *, actor: str, batch: int = 200) -> Resealed:
        """Seal all secrets, of every kind, with the newest key, `batch` of them in a transaction.

        Whatever ends it, each secret is sealed with the old key or with the new one, and to do it again goes
        on with those that are left. Raises StoreError.
        """
        count, broken, after = 0, list[SealBroken](), ("", "")
        while True:
            with self._database.write() as connection:
                vault.check_in_use(connection, self._vault)
                done = _reseal(connection, self._vault, after, batch)
                count, broken = count + done.count, broken + list(done.broken)
                if done.last is None:
                    self._audit(connection, "secret.reseal", f"{count} with key {self._vault.newest}", actor)
                    return Resealed(count=count, broken=tuple(broken))
                after = done.last

    def _audit(self, connection: Connection, action: str, subject: str, actor: str) -> None:
        audit.append(connection, audit.Act(at=self._now(), actor=actor, action=action, subject=subject))


def keep(
    connection: Connection, sealing: Vault, kind: Kind, name: str, value: Secret, *, at: datetime
) -> None:
    """Keep a secret within the caller's transaction. Raises StoreError, also when the key was dropped."""
    row = _row(connection, sealing, kind, name, value, at=at)
    changed = {column: row[column] for column in ("key", "sealed", "at")}
    statement = upsert(connection, secret).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=_KEYS, set_=changed))


def keep_first(
    connection: Connection, sealing: Vault, kind: Kind, name: str, value: Secret, *, at: datetime
) -> Secret:
    """Keep a secret unless there is one of this name; return the one that is kept.

    Raises StoreError, SealBroken.
    """
    row = _row(connection, sealing, kind, name, value, at=at)
    connection.execute(upsert(connection, secret).values(row).on_conflict_do_nothing(index_elements=_KEYS))
    return find(connection, sealing, kind, name) or value


def _row(
    connection: Connection, sealing: Vault, kind: Kind, name: str, value: Secret, *, at: datetime
) -> dict[str, Any]:
    """The secret as it is kept, sealed. Raises StoreError."""
    if re.fullmatch(NAME_PATTERN, name) is None:
        hint = "lower-case letters and digits, dots, hyphens, underlines and slashes between them"
        raise StoreError(f"a secret cannot be named {name[:80]!r}; a name has at most 127 of {hint}")
    _check(name, value)
    vault.check_in_use(connection, sealing)
    sealed = sealing.seal(_place(kind, name), value)
    return {"kind": kind, "name": name, "key": sealing.newest, "sealed": sealed, "at": at}


def _check(name: str, value: Secret) -> None:
    try:
        octets = len(value.reveal().encode("utf-8"))
    except UnicodeEncodeError:
        raise StoreError(f"the secret {name} is no text: it has half a character in it") from None
    if octets > MAX_OCTETS:
        raise StoreError(f"the secret {name} has {octets} octets, at most {MAX_OCTETS} are kept")


def find(connection: Connection, sealing: Vault, kind: Kind, name: str) -> Secret | None:
    """The secret, None when there is none. Raises SealBroken."""
    sealed: str | None = connection.execute(_SEALED, {"which": kind, "whose": name}).scalar_one_or_none()
    return None if sealed is None else sealing.open(_place(kind, name), sealed)


def kept(connection: Connection, kind: Kind, name: str) -> bool:
    """Whether there is a secret of this name; it is not opened."""
    question = select(secret.c.name).where(secret.c.kind == kind, secret.c.name == name)
    return connection.execute(question).one_or_none() is not None


def forget(connection: Connection, kind: Kind, name: str) -> bool:
    """Remove a secret; whether there was one."""
    gone = delete(secret).where(secret.c.kind == kind, secret.c.name == name).returning(secret.c.name)
    return connection.execute(gone).one_or_none() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    count: int
    broken: tuple[SealBroken, ...]
    last: tuple[str, str] | None
    """Where the next batch goes on; None after the last."""


def _reseal(connection: Connection, sealing: Vault, after: tuple[str, str], batch: int) -> _Batch:
    stale = select(secret.c.kind, secret.c.name, secret.c.sealed).where(
        secret.c.key != sealing.newest, tuple_(secret.c.kind, secret.c.name) > after
    )
    order = stale.order_by(secret.c.kind, secret.c.name).limit(batch).with_for_update()
    rows = connection.execute(order).all()
    broken = []
    for row in rows:
        place = _place(row.kind, row.name)
        try:
            sealed = sealing.seal(place, sealing.open(place, row.sealed))
        except SealBroken as error:
            broken.append(error)
            continue
        here = (secret.c.kind == row.kind, secret.c.name == row.name)
        connection.execute(update(secret).where(*here).values(key=sealing.newest, sealed=sealed))
    last = (rows[-1].kind, rows[-1].name) if rows else None
    return _Batch(count=len(rows) - len(broken), broken=tuple(broken), last=last)


def _place(kind: str, name: str) -> Place:
    return Place("secret", "sealed", (str(kind), name))
