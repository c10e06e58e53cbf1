"""Runs and the audit: written once, in order, and never rewritten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, text

from causeway_controller.errors import StoreError
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.counters import Epochs
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.run_news import Entry, News, Stage
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tables import open_run, run_stage
from causeway_wire.problem import ProblemError, ProblemType
from tests import run_events
from tests.provider_inventory import seed_example

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def asked(name: str = "r1", tenant: str = "acme", host: str = "esx1") -> Run:
    return Run(id=name, tenant=tenant, host=host, request='{"full":true}', actor="anna", at=AT)


@pytest.fixture
def runs(database: Database) -> Runs:
    made = Runs(database)
    made.start(asked())
    return made


def append(runs: Runs, kind: str, *, name: str = "r1", epoch: int = 1) -> int:
    return run_events.append(runs, name, epoch=epoch, kind=kind, detail="{}", at=AT)


def test_a_run_is_read_as_it_was_asked_for(runs: Runs) -> None:
    assert runs.get("r1") == asked()
    assert runs.open() == (asked(),)


def test_events_are_numbered_and_read_on_from_any_number(runs: Runs) -> None:
    assert [append(runs, kind) for kind in ("a", "b", "c")] == [1, 2, 3]
    assert [(each.number, each.kind) for each in runs.events("r1", after=1)] == [(2, "b"), (3, "c")]


def test_one_run_at_a_time_is_open_for_a_tenant_on_a_host(runs: Runs) -> None:
    with pytest.raises(ProblemError, match="run r1 of tenant acme on host esx1 is not over"):
        runs.start(asked("r2"))
    runs.start(asked("r3", host="esx2"))
    run_events.finish(runs, "r1", epoch=1, kind="done", detail="{}", at=AT)
    runs.start(asked("r4"))
    assert {each.id for each in runs.open()} == {"r3", "r4"}


def test_of_many_who_start_at_once_one_does_and_the_others_are_told(database: Database) -> None:
    runs = Runs(database)
    together = threading.Barrier(6)

    def start(number: int) -> str:
        together.wait(timeout=30)
        try:
            runs.start(asked(f"r{number}"))
        except ProblemError as error:
            return error.problem.type
        return "started"

    with ThreadPoolExecutor(6) as pool:
        said = sorted(pool.map(start, range(6)))
    assert said == sorted(["started", *[ProblemType.FAILOVER_IN_PROGRESS.urn] * 5])
    assert len(runs.open()) == 1


def test_a_run_that_is_over_takes_no_more_events(runs: Runs) -> None:
    run_events.finish(runs, "r1", epoch=1, kind="done", detail="{}", at=AT)
    with pytest.raises(ProblemError, match="no run r1 is open"):
        append(runs, "late")
    assert [each.kind for each in runs.events("r1")] == ["done"]


def test_whoever_was_taken_over_writes_no_more(runs: Runs, database: Database) -> None:
    old = Epochs(database).take("acme", "esx1")
    new = Epochs(database).take("acme", "esx1")
    with pytest.raises(ProblemError, match="has taken it over"):
        append(runs, "late", epoch=old)
    assert append(runs, "adopted", epoch=new) == 1


def through(runs: Runs, stage: str, *, epoch: int) -> None:
    told = News(kind="stage", detail="{}", at=AT, through=Stage(name=stage, record=f"{stage} of {epoch}"))
    run_events.append_all(runs, "r1", (told,), epoch=epoch)


def test_who_takes_a_run_knows_what_came_of_it_and_which_stages_are_through(runs: Runs) -> None:
    first = runs.take("r1")
    assert first is not None
    assert (first.events, first.stages) == ((), {})
    append(runs, "started", epoch=first.epoch)
    through(runs, "stage 1", epoch=first.epoch)
    second = runs.take("r1")
    assert second is not None
    assert second.epoch > first.epoch
    assert [each.kind for each in second.events] == ["started", "stage"]
    assert second.stages == {"stage 1": f"stage 1 of {first.epoch}"}


def test_who_was_taken_over_has_no_stage_remembered(runs: Runs) -> None:
    first, second = runs.take("r1"), runs.take("r1")
    assert first is not None
    assert second is not None
    with pytest.raises(ProblemError, match="has taken it over"):
        through(runs, "stage 1", epoch=first.epoch)
    third = runs.take("r1")
    assert third is not None
    assert (third.events, third.stages) == ((), {})


def test_who_takes_a_run_waits_for_the_stage_that_is_being_remembered(runs: Runs, database: Database) -> None:
    """Otherwise it would be done again by the one, and gone on from by the other."""
    first = runs.take("r1")
    assert first is not None
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            connection.execute(select(open_run).with_for_update()).all()  # as who appends does first
            taking = pool.submit(runs.take, "r1")
            with pytest.raises(TimeoutError):
                taking.result(0.5)
            row = {"run": "r1", "name": "stage 1", "record": "one did it"}
            connection.execute(insert(run_stage), row)
        second = taking.result(30)
    assert second is not None
    assert second.stages == {"stage 1": "one did it"}


def test_nothing_is_remembered_of_a_run_that_is_over(runs: Runs, database: Database) -> None:
    through(runs, "stage 1", epoch=1)
    run_events.finish(runs, "r1", epoch=1, kind="finished", detail="{}", at=AT)
    assert runs.take("r1") is None
    with database.read() as connection:
        assert connection.execute(select(run_stage)).all() == []


def test_of_runs_that_are_kept_together_each_is_refused_or_ended_alone(
    runs: Runs, database: Database
) -> None:
    runs.start(asked("r2", host="esx2"))
    runs.start(asked("r3", host="esx3"))
    late = Epochs(database).take("acme", "esx2")
    newest = Epochs(database).take("acme", "esx2")

    def entry(name: str, *kinds: str, epoch: int = 1, ends: bool = False) -> Entry:
        news = tuple(News(kind=kind, detail="{}", at=AT) for kind in kinds)
        return Entry(run=name, epoch=epoch, news=news, ends=ends)

    append(runs, "before")
    found = runs.keep(
        [
            entry("r1", "a", "b"),
            entry("r2", "late", epoch=late),
            entry("gone", "lost"),
            entry("r3", "last", ends=True),
            entry("r3", "after the last"),
            entry("r1", "c"),
            entry("r2", "adopted", epoch=newest),
        ]
    )
    said = [one.problem.type if isinstance(one, ProblemError) else one for one in found]
    stale, absent = ProblemType.STALE_EPOCH.urn, ProblemType.NOT_FOUND.urn
    assert said == [3, stale, absent, 1, absent, 4, 1]
    assert [[each.kind for each in runs.events(name)] for name in ("r1", "r2", "r3")] == [
        ["before", "a", "b", "c"],
        ["adopted"],
        ["last"],
    ]
    assert {each.id for each in runs.open()} == {"r1", "r2"}


def test_of_runs_that_are_asked_after_together_those_are_told_to_stop_that_somebody_asked(runs: Runs) -> None:
    runs.start(asked("r2", host="esx2"))
    runs.ask_to_stop("r2", actor="anna", at=AT)
    assert runs.to_stop(["r1", "r2", "gone"]) == (False, True, False)


@pytest.mark.parametrize("table", ["run", "run_event", "audit", "inventory_revision"])
@pytest.mark.parametrize("act", ["UPDATE {} SET at = at", "DELETE FROM {}"])
def test_the_database_lets_nobody_rewrite_what_happened(
    runs: Runs, database: Database, table: str, act: str
) -> None:
    append(runs, "a")
    Inventories(database, now=lambda: AT).replace(seed_example(), expected=0, actor="anna")
    with pytest.raises(StoreError, match=f"{table} is append-only"), database.write() as connection:
        connection.execute(text(act.format(table)))


def test_the_audit_is_a_chain_that_shows_a_record_that_was_changed(database: Database) -> None:
    audit = Audit(database)
    for number in range(4):
        audit.append(Act(at=AT, actor="anna", action="look", subject=f"s{number}"))
    assert audit.broken_at() is None
    _unguarded(database, "UPDATE audit SET actor = 'bert' WHERE number = 3")
    assert audit.broken_at() == 3


def test_the_audit_shows_records_that_are_missing_at_its_end(database: Database) -> None:
    audit = Audit(database)
    for number in range(4):
        audit.append(Act(at=AT, actor="anna", action="look", subject=f"s{number}"))
    _unguarded(database, "DELETE FROM audit WHERE number = 4")
    assert audit.broken_at() == 4


def _unguarded(database: Database, statement: str) -> None:
    """As somebody who may change the database itself."""
    with database.write() as connection:
        if database.dialect == "sqlite":
            connection.execute(text("DROP TRIGGER audit_no_update"))
            connection.execute(text("DROP TRIGGER audit_no_delete"))
        else:
            connection.execute(text("DROP TRIGGER audit_append_only ON audit"))
        connection.execute(text(statement))


def test_text_that_only_one_database_could_keep_is_refused_by_both(database: Database) -> None:
    with pytest.raises((StoreError, ValueError), match="NUL"):
        Audit(database).append(Act(at=AT, actor="a\0b", action="look", subject="s"))
