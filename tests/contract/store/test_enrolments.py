"""Tokens of fresh appliances: one each, kept sealed, gone once it was used."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from sqlalchemy import select

from causeway_controller.store import vault
from causeway_controller.store.database import Database
from causeway_controller.store.enrolments import Enrolments
from causeway_controller.store.tables import secret
from causeway_controller.trust import master_key
from causeway_wire.types import Secret

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_an_appliance_keeps_its_token_until_it_was_used(database: Database) -> None:
    keys = master_key.make()
    numbers = itertools.count()

    def opened() -> Enrolments:
        sealing = vault.unlock(database, keys, now=lambda: AT, actor="test")
        return Enrolments(
            database, sealing, now=lambda: AT, make=lambda: Secret(f"a-long-token-{next(numbers)}")
        )

    first = await opened().get("acme-esx1")
    assert (await opened().get("acme-esx1")).reveal() == first.reveal()
    assert (await opened().get("acme-esx2")).reveal() != first.reveal()
    with database.read() as connection:
        assert all(first.reveal() not in str(row) for row in connection.execute(select(secret)))
    await opened().drop("acme-esx1")
    await opened().drop("acme-esx1")
    assert (await opened().get("acme-esx1")).reveal() != first.reveal()
