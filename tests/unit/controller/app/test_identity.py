"""A controller's own certificate: made once, kept, made anew when it is due, broken, or another's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from causeway_controller.app import identity
from causeway_controller.inventory import certificates
from causeway_controller.store import vault
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import master_key
from causeway_controller.trust.identity import ControllerIdentity
from tests import stores

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class World:
    """A store, and a clock that tests turn."""

    def __init__(self, place: Path) -> None:
        self.now = AT
        self.database = stores.made(place / "causeway.db")
        sealing = vault.unlock(self.database, master_key.make(), now=self.time, actor="test")
        self.kept = Authorities(self.database, sealing, now=self.time)
        self.place = place / "identity"

    def time(self) -> datetime:
        return self.now

    def establish(self, name: str = "ctl1") -> ControllerIdentity:
        ledger = Ledger(self.database, now=self.time)
        found = identity.establish(self.kept, ledger, name, self.place, now=self.time)
        assert found.key.stat().st_mode & 0o077 == 0
        return found

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


def test_a_pair_that_is_in_use_stays_as_it_is_until_the_one_after_the_next(world: World) -> None:
    first = world.establish()
    world.now += timedelta(days=300)
    second = world.establish()
    for pair in (first, second):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(pair.certificate, pair.key)
    world.now += timedelta(days=300)
    third = world.establish()
    assert {path.parent for path in world.place.rglob("*.key")} == {second.key.parent, third.key.parent}


def test_one_that_was_revoked_is_not_used_again(world: World) -> None:
    first = world.establish()
    revoked = first.key.parent.name
    Ledger(world.database, now=world.time).revoke(revoked, actor="anna", reason="the laptop is gone")
    second = world.establish()
    assert second.key.read_bytes() != first.key.read_bytes()
    assert world.establish() == second


def test_controllers_that_share_a_directory_leave_each_other_alone(world: World) -> None:
    first, second = world.establish("ctl1"), world.establish("ctl2")
    assert (world.establish("ctl1"), world.establish("ctl2")) == (first, second)
    assert first.certificate.read_bytes() != second.certificate.read_bytes()


def test_what_a_killed_controller_left_unfinished_goes(world: World) -> None:
    (world.place / "ctl1" / "new-abc").mkdir(parents=True)
    made = world.establish()
    assert list((world.place / "ctl1").iterdir()) == [made.key.parent]


@pytest.mark.parametrize("broken", ["key", "certificate"])
def test_what_is_broken_or_lost_is_made_anew(world: World, broken: str) -> None:
    first = world.establish()
    getattr(first, broken).write_bytes(b"")
    second = world.establish()
    assert second != first
    getattr(second, broken).unlink()
    assert world.establish() != second
