"""A controller's own certificate: made once, kept, made anew when it is due, broken, or another's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from causeway_controller.app import identity
from causeway_controller.inventory import certificates
from causeway_controller.store import migrate, vault
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import connect
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import master_key

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class World:
    """A store, and a clock that tests turn."""

    def __init__(self, place: Path) -> None:
        self.now = AT
        self.database = connect(f"sqlite:///{place}/causeway.db")
        migrate.upgrade(self.database)
        sealing = vault.unlock(self.database, master_key.make(), now=self.time, actor="test")
        self.kept = Authorities(self.database, sealing, now=self.time)
        self.place = place / "identity"

    def time(self) -> datetime:
        return self.now

    def establish(self) -> bytes:
        ledger = Ledger(self.database, now=self.time)
        found = identity.establish(self.kept, ledger, "ctl1", self.place, now=self.time)
        assert found.key.stat().st_mode & 0o077 == 0
        return found.certificate.read_bytes()

    def issued(self) -> int:
        slot = certificates.of_controller("ctl1").slot
        due = Ledger(self.database, now=lambda: self.now + timedelta(days=36_500)).due()
        return len([one for one in due if one.subject.slot == slot])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.database.close()


def test_it_is_made_once_and_in_the_ledger(world: World) -> None:
    first = world.establish()
    assert world.establish() == first
    assert world.issued() == 1


def test_it_is_made_anew_when_two_thirds_of_its_life_are_over(world: World) -> None:
    first = world.establish()
    world.now += timedelta(days=300)
    assert world.establish() != first


@pytest.mark.parametrize("broken", ["controller.key", "controller.pem"])
def test_what_is_broken_or_lost_is_made_anew(world: World, broken: str) -> None:
    first = world.establish()
    (world.place / broken).write_bytes(b"")
    second = world.establish()
    assert second != first
    (world.place / broken).unlink()
    assert world.establish() != second
