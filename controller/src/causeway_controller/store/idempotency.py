"""Requests that were answered, by the key that their caller chose: a repeated one gets the same answer.

The key is claimed before anything is done. A claim without an answer is of somebody who is at work, or who
died: after `_STALE` it may be taken over, and whoever does so must find out what had been done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update

from causeway_controller.store.database import Database, upsert
from causeway_controller.store.tables import idempotency
from causeway_wire.problem import ProblemError, ProblemType, problem

KEPT: Final = timedelta(hours=24)
_STALE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys of all callers; a caller's are never another's."""

    database: Database
    now: Callable[[], datetime]

    def claim(self, caller: str, key: str, *, fingerprint: str) -> str | None:
        """Claim the key for a request with this fingerprint; return the answer if it was given before.

        Raises ProblemError: `key-reused` for another request's key, `request-in-flight` while somebody is at
        work on the same; StoreError.
        """
        now, mine = self.now(), (idempotency.c.caller == caller, idempotency.c.key == key)
        row = {"caller": caller, "key": key, "fingerprint": fingerprint, "answer": None, "at": now}
        with self.database.write() as connection:
            connection.execute(delete(idempotency).where(idempotency.c.at < now - KEPT))
            claimed = upsert(connection, idempotency).values(row).on_conflict_do_nothing()
            if connection.execute(claimed.returning(idempotency.c.key)).one_or_none() is not None:
                return None
            found = connection.execute(select(idempotency).where(*mine).with_for_update()).one()
            if found.fingerprint != fingerprint:
                detail = "this idempotency key was used for another request; take a new one for each request"
                raise ProblemError(problem(ProblemType.KEY_REUSED, detail))
            if found.answer is not None:
                return str(found.answer)
            if found.at > now - _STALE:
                detail = "the same request is being carried out; repeat it in some seconds for its answer"
                raise ProblemError(problem(ProblemType.REQUEST_IN_FLIGHT, detail, retry_after=5.0))
            connection.execute(update(idempotency).where(*mine).values(at=now))
            return None

    def answer(self, caller: str, key: str, text: str) -> None:
        """Keep the answer of the request that claimed the key. Raises StoreError."""
        with self.database.write() as connection:
            connection.execute(
                update(idempotency)
                .where(idempotency.c.caller == caller, idempotency.c.key == key)
                .values(answer=text)
            )

    def release(self, caller: str, key: str) -> None:
        """Give the key back: the request was refused, and nothing was done. Raises StoreError."""
        with self.database.write() as connection:
            connection.execute(
                delete(idempotency).where(
                    idempotency.c.caller == caller, idempotency.c.key == key, idempotency.c.answer.is_(None)
                )
            )
