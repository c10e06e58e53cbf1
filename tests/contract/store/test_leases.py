"""Leases by the database's clock, alike on both databases; what a run left its tenant; requests to stop."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from causeway_controller.inventory import modes
from causeway_controller.store.database import Database, connect
from causeway_controller.store.leases import Leases
from causeway_controller.store.run_news import News
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standing, Standings
from causeway_wire.problem import ProblemError
from tests import run_events
from tests.workflow_bench import SITE

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RULES = SITE.tenants["acme"].publications


def test_a_lease_lasts_until_its_end_and_then_stays_ended(database: Database) -> None:
    leases = Leases(database)
    leases.take("one", 60)
    leases.take("two", 0.2)
    assert leases.alive() == {"one", "two"}
    time.sleep(0.3)
    assert leases.alive() == {"one"}
    assert (leases.renew("one", 60), leases.renew("two", 60)) == (True, False)
    assert leases.alive() == {"one"}
    assert not leases.renew("nobody", 60)
    leases.give_up("one")
    assert leases.alive() == frozenset()


def test_a_lease_is_renewed_beside_many_that_write(url: str, database: Database) -> None:
    own = connect(url)
    leases, runs, stop = Leases(own), Runs(database), threading.Event()
    leases.take("one", 60)
    runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))

    def write() -> None:
        while not stop.is_set():
            run_events.append_all(runs, "r1", [News(kind="step", detail="{}", at=AT)] * 3, epoch=1)

    writers = [threading.Thread(target=write) for _ in range(24)]
    for writer in writers:
        writer.start()
    try:
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert leases.renew("one", 60)
            slowest = max(slowest, time.monotonic() - began)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    own.close()
    assert slowest < 10
    numbers = [event.number for event in runs.events("r1")]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(
    "mode",
    [
        modes.Idle(),
        modes.Partial(frozenset({"db", "web"})),
        modes.Full(frozenset({"db"}), frozenset({"lan"})),
        modes.Rehearsal(frozenset({"db"}), internet=True),
    ],
)
def test_what_a_run_left_is_read_as_it_was_written(database: Database, mode: modes.Mode) -> None:
    standings = Standings(database)
    assert standings.get("acme", "esx1") == Standing()
    standings.put("acme", "esx1", Standing(mode=mode, publications=RULES))
    assert standings.get("acme", "esx1") == Standing(mode=mode, publications=RULES)
    standings.put("acme", "esx1", Standing(mode=modes.Idle()))
    assert standings.get("acme", "esx1") == Standing(mode=modes.Idle(), publications=RULES)
    assert standings.all() == {("acme", "esx1"): standings.get("acme", "esx1")}


def test_the_end_of_a_run_and_what_it_left_stand_or_fall_together(database: Database) -> None:
    runs, standings = Runs(database), Standings(database)
    runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))
    left = Standing(mode=modes.Partial(frozenset({"db"})))
    run_events.finish(runs, "r1", epoch=1, kind="finished", detail="{}", at=AT, left=left)
    assert standings.get("acme", "esx1") == left
    other = Standing(mode=modes.Idle())
    with pytest.raises(ProblemError):
        run_events.finish(runs, "r1", epoch=1, kind="finished", detail="{}", at=AT, left=other)
    assert standings.get("acme", "esx1") == left


def test_a_run_is_asked_to_stop_while_it_is_open(database: Database) -> None:
    runs = Runs(database)
    runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))
    assert runs.to_stop(["r1"]) == (False,)
    runs.ask_to_stop("r1", actor="bert", at=AT)
    runs.ask_to_stop("r1", actor="carl", at=AT)
    assert runs.to_stop(["r1", "r2"]) == (True, False)
    run_events.finish(runs, "r1", epoch=1, kind="failed", detail="{}", at=AT)
    with pytest.raises(ProblemError):
        runs.ask_to_stop("r1", actor="bert", at=AT)
