"""The key that tenants' controllers know this provider by, and the next one. All its controllers share them.

A next key is announced while the old one is used, and used once every member knows it: a member accepts both
in between, so there is no moment in which it meets a stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from causeway_controller.errors import StoreError
from causeway_controller.store import audit, secrets
from causeway_controller.store.database import Database
from causeway_controller.store.peer_tables import member, peer_key
from causeway_controller.store.secrets import Kind
from causeway_controller.trust import pki
from causeway_controller.trust.sealing import Vault
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Secret

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Fingerprints: of the key that is shown, and of the next one if there is one."""

    current: str
    next: str | None

    @property
    def both(self) -> tuple[str, ...]:
        """All that a member shall accept."""
        return (self.current,) if self.next is None else (self.current, self.next)


class PeerKeys:
    """The provider's keys toward its members."""

    def __init__(self, database: Database, sealing: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = sealing
        self._now = now

    def establish(self, *, actor: str) -> None:
        """Make a key if there is none. Raises StoreError."""
        with self._database.write() as connection:
            _lock(connection)
            if _used(connection) is None:
                self._make(connection, 1, used=self._now(), actor=actor)

    def pins(self) -> Pins:
        """What members know, or shall know, the provider by. Raises StoreError before there is a key."""
        with self._database.read() as connection:
            return _pins(connection)

    def key(self) -> Secret:
        """The private key that is shown, PEM. Raises StoreError, SealBroken."""
        with self._database.read() as connection:
            found = secrets.find(connection, self._vault, Kind.PEER_KEY, str(_current(connection).number))
        if found is None:
            raise StoreError("the key that members know is gone from the vault; restore a backup")
        return found

    def announce(self, *, actor: str) -> Pins:
        """Make the next key; while there is one, that stays it. Raises StoreError."""
        with self._database.write() as connection:
            _lock(connection)
            if _pins(connection).next is None:
                self._make(connection, _current(connection).number + 1, used=None, actor=actor)
            return _pins(connection)

    def switch(self, *, actor: str, force: bool) -> Pins:
        """Use the next key, and destroy the one before; without a next one nothing changes.

        Raises ProblemError (`members-behind`) unless all members know it or `force` says that they need not;
        StoreError.
        """
        with self._database.write() as connection:
            _lock(connection)
            pins, before = _pins(connection), _current(connection)
            if pins.next is None:
                return pins
            if not force:
                _check_known(connection, pins.next)
            this = update(peer_key).where(peer_key.c.number > before.number)
            connection.execute(this.values(used=self._now()))
            connection.execute(delete(peer_key).where(peer_key.c.number == before.number))
            secrets.forget(connection, Kind.PEER_KEY, str(before.number))
            self._audit(connection, "peer-key.use", pins.next, actor)
            return _pins(connection)

    def _make(self, connection: Connection, number: int, *, used: datetime | None, actor: str) -> None:
        key, now = pki.make_key(), self._now()
        pin = pki.fingerprint(key.public_key())
        connection.execute(insert(peer_key).values(number=number, pin=pin, made=now, used=used))
        text = Secret(pki.private_pem(key).decode("ascii"))
        secrets.keep(connection, self._vault, Kind.PEER_KEY, str(number), text, at=now)
        self._audit(connection, "peer-key.make", pin, actor)

    def _audit(self, connection: Connection, action: str, pin: str, actor: str) -> None:
        act = audit.Act(at=self._now(), actor=actor, action=action, subject=f"key {pin}")
        audit.append(connection, act)


def _used(connection: Connection) -> Any:
    return connection.execute(select(peer_key).where(peer_key.c.used.is_not(None))).one_or_none()


def _lock(connection: Connection) -> None:
    """Have others who would change the keys wait. Whoever only reads may not: it is refused in PostgreSQL."""
    connection.execute(select(peer_key.c.number).with_for_update()).all()


def _current(connection: Connection) -> Any:
    found = _used(connection)
    if found is None:
        raise StoreError(
            "there is no key for members yet; start a controller with the setting tenants.listen"
        )
    return found


def _pins(connection: Connection) -> Pins:
    waiting = select(peer_key.c.pin).where(peer_key.c.used.is_(None))
    return Pins(current=_current(connection).pin, next=connection.execute(waiting).scalar_one_or_none())


def _check_known(connection: Connection, pin: str) -> None:
    behind = or_(member.c.knows.is_(None), member.c.knows != pin)
    count = connection.execute(select(func.count()).select_from(member).where(behind)).scalar_one()
    if not count:
        return
    question = select(member.c.tenant).where(behind).order_by(member.c.tenant).limit(_SHOWN)
    names = ", ".join(connection.execute(question).scalars())
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    detail = (
        f"{names}{more} did not ask since the next key was announced; wait for them, expel them, or force "
        "it: then they must be invited anew"
    )
    raise ProblemError(problem(ProblemType.MEMBERS_BEHIND, detail))
