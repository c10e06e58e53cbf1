"""A controller acts while its lease lasts, with a margin, and ends itself instead of acting later."""

from __future__ import annotations

import subprocess
import sys

import pytest

from causeway_controller.errors import StoreError
from causeway_controller.store.database import Database
from causeway_controller.store.leases import Leases
from causeway_controller.workflows.leases import Lease
from tests.fakes.clock import FakeClock
from tests.runs_bench import Died, die

SECONDS = 10.0


class Broken(Leases):
    """The database does not answer."""

    def renew(self, name: str, seconds: float) -> bool:
        raise StoreError("no route to host")


def lease(leases: Leases, clock: FakeClock) -> Lease:
    taken = Lease(leases, name="one", seconds=SECONDS, die=die, monotonic=clock.monotonic)
    taken.begin()
    return taken


def test_it_acts_until_shortly_before_the_end(database: Database) -> None:
    clock = FakeClock()
    mine = lease(Leases(database), clock)
    clock.advance(7.9)
    mine.in_charge()
    clock.advance(0.2)
    with pytest.raises(Died, match="not renewed in time"):
        mine.in_charge()
    mine.end()


def test_renewed_it_acts_on(database: Database) -> None:
    clock = FakeClock()
    mine = lease(Leases(database), clock)
    for _ in range(5):
        clock.advance(7.0)
        mine.renew()
    mine.in_charge()
    mine.end()


def test_a_process_that_was_stopped_and_woken_does_not_make_itself_alive_again(database: Database) -> None:
    clock, leases = FakeClock(), Leases(database)
    mine = lease(leases, clock)
    leases.give_up("one")
    clock.advance(60)
    with pytest.raises(Died):
        mine.renew()
    assert leases.alive() == frozenset()
    mine.end()


def test_a_lease_that_ended_in_the_database_is_not_renewed(database: Database) -> None:
    clock, leases = FakeClock(), Leases(database)
    mine = lease(leases, clock)
    leases.give_up("one")
    with pytest.raises(Died, match="another controller may act"):
        mine.renew()
    mine.end()


def test_while_the_database_is_silent_it_acts_as_long_as_it_may(database: Database) -> None:
    clock = FakeClock()
    mine = lease(Broken(database), clock)
    clock.advance(7.0)
    mine.renew()
    mine.in_charge()
    clock.advance(1.1)
    with pytest.raises(Died, match=r"not renewed in time \(no route to host\)"):
        mine.renew()
    mine.end()


def test_who_ends_gives_it_up_at_once(database: Database) -> None:
    leases = Leases(database)
    mine = lease(leases, FakeClock())
    assert leases.alive() == {"one"}
    mine.end()
    assert leases.alive() == frozenset()


def test_the_process_ends_at_once_and_says_why() -> None:
    program = "from causeway_controller.workflows import leases; leases.end_process('too late'); print('on')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (75, "")
    assert "too late" in done.stderr
