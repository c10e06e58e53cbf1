"""Tokens: kept as hashes. Whoever reads the database cannot show one.

A token is `cwt_IDENTIFIER_SECRET`; the secret has 256 random bits, so that a plain SHA-256 of it is as good
as any slow hash: there is nothing to guess.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import UNSET
from sqlalchemy import func, insert, select, update
from sqlalchemy.engine import Connection

from causeway_controller.contract.access import Role
from causeway_controller.contract.tokens import MadeToken, NewToken, Token, TokenId
from causeway_controller.store import audit
from causeway_controller.store.database import Database
from causeway_controller.store.tables import token
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import TenantId

_TOKEN: Final = re.compile(r"cwt_(?P<id>[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NOBODYS: Final = "0" * 64
"""Compared with where there is no such token, so that its absence costs as long as a wrong secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """All tokens of a controller. `random` gives so many random octets, such as `secrets.token_bytes`."""

    database: Database
    now: Callable[[], datetime]
    random: Callable[[int], bytes]

    def make(self, asked: NewToken, *, actor: str) -> MadeToken:
        """Keep a new token and return it with its secret. Raises StoreError."""
        identifier = self.random(6).hex()
        secret = f"cwt_{identifier}_{base64.urlsafe_b64encode(self.random(32)).rstrip(b'=').decode()}"
        made = self.now()
        row = {
            "id": identifier,
            "name": asked.name,
            "hash": _hash(secret),
            "role": asked.role.value,
            "tenant": None if asked.tenant is UNSET else asked.tenant,
            "made": made,
            "made_by": actor,
            "expires": made + timedelta(days=asked.days),
            "revoked": None,
        }
        with self.database.write() as connection:
            connection.execute(insert(token).values(row))
            self._record(connection, "token.make", row, actor=actor, at=made)
        return MadeToken(token=_read(row), secret=secret)

    def find(self, secret: str) -> Token | None:
        """The valid token with this secret; None where there is none, or none any more. Raises StoreError."""
        shape = _TOKEN.fullmatch(secret)
        row = self._row(shape["id"]) if shape is not None else None
        known = hmac.compare_digest(_NOBODYS if row is None else row["hash"], _hash(secret))
        if row is None or not known or row["revoked"] is not None or row["expires"] <= self.now():
            return None
        return _read(row)

    def list(self, tenant: TenantId | None = None) -> tuple[Token, ...]:
        """All tokens, or those of one tenant, the oldest first. Raises StoreError."""
        question = select(token).order_by(token.c.made, token.c.id)
        if tenant is not None:
            question = question.where(token.c.tenant == tenant)
        with self.database.read() as connection:
            return tuple(_read(row) for row in connection.execute(question).mappings())

    def revoke(self, identifier: TokenId, *, tenant: TenantId | None, actor: str) -> Token:
        """Let nobody be known by this token any more; again and again is the same.

        With `tenant`, only one of theirs. Raises ProblemError (`not-found`), StoreError.
        """
        at = self.now()
        with self.database.write() as connection:
            question = select(token).where(token.c.id == identifier).with_for_update()
            row = connection.execute(question).mappings().one_or_none()
            if row is None or (tenant is not None and row["tenant"] != tenant):
                detail = f"there is no token {identifier}; `causeway token list` lists them"
                raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
            if row["revoked"] is not None:
                return _read(row)
            connection.execute(update(token).where(token.c.id == identifier).values(revoked=at))
            self._record(connection, "token.revoke", row, actor=actor, at=at)
        return _read({**row, "revoked": at})

    def use_up(self, identifier: TokenId, *, within: timedelta, actor: str) -> None:
        """Have the token expire so soon at the latest. Raises StoreError."""
        at = self.now()
        with self.database.write() as connection:
            question = select(token).where(token.c.id == identifier).with_for_update()
            row = connection.execute(question).mappings().one()
            if row["expires"] > at + within:
                ended = update(token).where(token.c.id == identifier).values(expires=at + within)
                connection.execute(ended)
                self._record(connection, "token.use-up", row, actor=actor, at=at)

    def any_admin(self) -> bool:
        """Whether somebody can be known as an admin. Raises StoreError."""
        question = select(func.count()).where(
            token.c.role == Role.ADMIN.value, token.c.revoked.is_(None), token.c.expires > self.now()
        )
        with self.database.read() as connection:
            return bool(connection.execute(question).scalar_one())

    def _row(self, identifier: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(token).where(token.c.id == identifier)).mappings().one_or_none()

    def _record(self, connection: Connection, action: str, row: Any, *, actor: str, at: datetime) -> None:
        whose = f"{row['role']} {row['name']}" + (f" of {row['tenant']}" if row["tenant"] else "")
        act = audit.Act(at=at, actor=actor, action=action, subject=f"token {row['id']}", detail=whose)
        audit.append(connection, act)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(row: Any) -> Token:
    return Token(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        made=row["made"],
        made_by=row["made_by"],
        expires=row["expires"],
        tenant=UNSET if row["tenant"] is None else row["tenant"],
        revoked=UNSET if row["revoked"] is None else row["revoked"],
    )
