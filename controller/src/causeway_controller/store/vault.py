"""The vault's keys as the store knows them: their numbers, a salt each, and proof of which key it was.

The keys themselves are never here. A row of a key stays as long as the key seals anything: secrets refer
to it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.engine import Connection

from causeway_controller.errors import MasterKeyError, SealBroken, StoreError
from causeway_controller.store import audit
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.tables import master_key, secret
from causeway_controller.trust.master_key import MasterKeys
from causeway_controller.trust.sealing import Place, SaltedKey, Vault, make_salt
from causeway_wire.types import Secret

_SHOWN: Final = 5
_PROOF: Final = Secret("this is the key")


def unlock(database: Database, keys: MasterKeys, *, now: Callable[[], datetime], actor: str) -> Vault:
    """Return the vault of this store, opened with these keys; a newest key that is new is taken into use.

    Raises MasterKeyError, with nothing changed, when a key is not the one that sealed, or one is not there
    that still seals something; StoreError.
    """
    with database.write() as connection:
        for number in sorted(set(_counts(connection)) - set(keys.numbers)):
            what = _remaining(connection, number)
            hint = "add it to the others, reseal, then drop it"
            raise MasterKeyError(f"{keys.source} lacks key {number}, with which {what} are sealed; {hint}")
        salts = _salts(connection)
        if keys.newest not in salts:
            _enter(connection, keys, now=now, actor=actor)
            salts = _salts(connection)
        held = {number: salt for number, salt in salts.items() if number in keys.numbers}
        vault = Vault({number: SaltedKey(keys.octets(number), salt) for number, salt in held.items()})
        _prove(connection, vault, keys, tuple(held))
    return vault


def drop(database: Database, number: int, *, now: Callable[[], datetime], actor: str) -> None:
    """Forget a key, so that nothing is sealed with it ever again; then it may go from where keys are kept.

    Raises MasterKeyError while it is the newest or seals anything, saying what; StoreError.
    """
    with database.write() as connection:
        known = _salts(connection)
        if number not in known:
            return
        if number == max(known):
            raise MasterKeyError(f"key {number} is the newest, which seals; add a newer one first")
        if _counts(connection).get(number):
            what = _remaining(connection, number)
            raise MasterKeyError(f"key {number} still seals {what}; reseal first")
        connection.execute(delete(master_key).where(master_key.c.number == number))
        audit.append(
            connection, audit.Act(at=now(), actor=actor, action="master-key.drop", subject=str(number))
        )


def in_use(database: Database) -> Mapping[int, int]:
    """How many secrets each key seals, by its number. Raises StoreError."""
    with database.read() as connection:
        return _counts(connection)


def check_in_use(connection: Connection, vault: Vault) -> None:
    """Raise MasterKeyError when the vault's newest key was dropped: whoever has it runs with old keys."""
    found = select(master_key.c.number).where(master_key.c.number == vault.newest)
    if connection.execute(found).one_or_none() is None:
        hint = "give this controller the newer keys and start it again"
        raise MasterKeyError(f"key {vault.newest} was dropped; {hint}")


def _enter(connection: Connection, keys: MasterKeys, *, now: Callable[[], datetime], actor: str) -> None:
    """Another controller that starts at the same time may be first; then its salt counts."""
    salt, number = make_salt(), keys.newest
    vault = Vault({number: SaltedKey(keys.octets(number), salt)})
    values = {
        "number": number,
        "salt": base64.b64encode(salt).decode(),
        "proof": vault.seal(_place(number), _PROOF),
        "at": now(),
    }
    statement = upsert(connection, master_key).values(values).on_conflict_do_nothing()
    if connection.execute(statement.returning(master_key.c.number)).one_or_none() is not None:
        act = audit.Act(at=now(), actor=actor, action="master-key.enter", subject=str(number))
        audit.append(connection, act)


def _prove(connection: Connection, vault: Vault, keys: MasterKeys, numbers: tuple[int, ...]) -> None:
    proofs = select(master_key.c.number, master_key.c.proof).where(master_key.c.number.in_(numbers))
    for row in connection.execute(proofs):
        try:
            vault.open(_place(row.number), row.proof)
        except SealBroken:
            hint = "give the file of keys that belongs to this store"
            reason = f"key {row.number} of {keys.source} is not the key {row.number} of this store; {hint}"
            raise MasterKeyError(reason) from None


def _place(number: int) -> Place:
    return Place("master_key", "proof", (str(number),))


def _salts(connection: Connection) -> dict[int, bytes]:
    rows = connection.execute(select(master_key.c.number, master_key.c.salt))
    try:
        return {row.number: base64.b64decode(row.salt, validate=True) for row in rows}
    except ValueError as error:
        raise StoreError("the salt of a master key is damaged in the store; restore a backup") from error


def _counts(connection: Connection) -> dict[int, int]:
    question = select(secret.c.key, func.count()).group_by(secret.c.key)
    return {row[0]: row[1] for row in connection.execute(question)}


def _remaining(connection: Connection, number: int) -> str:
    """How many secrets a key seals, and the first of them by name."""
    question = select(secret.c.kind, secret.c.name).where(secret.c.key == number)
    rows = connection.execute(question.order_by(secret.c.kind, secret.c.name)).all()
    names = [f"{row.kind}/{row.name}" for row in rows[:_SHOWN]]
    more = [f"and {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else []
    return f"{len(rows)} secrets ({', '.join(names + more)})"
