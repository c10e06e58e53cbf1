"""What is kept of halves that a tenant's controller leads: words, and what a full failover takes over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from causeway_controller.contract.halves import HalfOrder, Open, Word
from causeway_controller.contract.requests import FailOverSite, Serve
from causeway_controller.store.database import Database
from causeway_controller.store.half import Half
from causeway_controller.store.halves import Halves
from causeway_controller.store.runs import Run, Runs
from causeway_wire import codec
from tests import run_events

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
VMS = frozenset({"db1"})
NAME, RUN = "t-1", "h-1"


@pytest.fixture
def halves(database: Database) -> Halves:
    made = Halves(database)
    order(made, HalfOrder(epoch=3, open=Open(host="esx1", vms=VMS)))
    return made


def order(halves: Halves, wanted: HalfOrder) -> Half:
    return halves.order("acme", NAME, wanted, run=RUN, at=AT)


def test_what_a_full_failover_takes_the_place_of_is_not_kept_any_more(halves: Halves) -> None:
    assert halves.overtake(RUN)
    late = order(halves, HalfOrder(epoch=3, word=Word.KEEP))
    assert (late.word, late.overtaken) == (None, True)
    assert halves.overtake(RUN), "again"
    gone = order(halves, HalfOrder(epoch=3, word=Word.TAKE_BACK))
    assert (gone.word, gone.overtaken) == (Word.TAKE_BACK, False)


@pytest.mark.parametrize("word", list(Word))
def test_what_was_said_before_stands(halves: Halves, word: Word) -> None:
    order(halves, HalfOrder(epoch=3, word=word))
    assert not halves.overtake(RUN)
    found = halves.get("acme", NAME)
    assert found is not None
    assert (found.word, found.overtaken) == (word, False)


def test_only_a_run_that_serves_is_one_of_a_half(database: Database) -> None:
    runs = Runs(database)
    for name, host, request in (
        ("r1", "esx1", Serve(tenant="acme", vms=VMS)),
        ("r2", "esx2", FailOverSite(tenant="acme", vms=VMS)),
    ):
        text = codec.encode(request).decode()
        runs.start(Run(id=name, tenant="acme", host=host, request=text, actor="anna", at=AT))
    assert [runs.open_half("acme", host) for host in ("esx1", "esx2", "esx3")] == ["r1", None, None]
    run_events.finish(runs, "r1", epoch=1, kind="failed", detail="{}", at=AT)
    assert runs.open_half("acme", "esx1") is None


def test_an_order_that_came_twice_and_is_refused_once_leaves_the_run_its_half(
    halves: Halves, database: Database
) -> None:
    halves.unopened(RUN)
    assert halves.of_run(RUN) is None, "nothing was begun"
    text = codec.encode(Serve(tenant="acme", vms=VMS)).decode()
    Runs(database).start(Run(id=RUN, tenant="acme", host="esx1", request=text, actor="anna", at=AT))
    halves.opened("acme", NAME, RUN)
    halves.unopened(RUN)
    found = halves.of_run(RUN)
    assert found is not None
    assert found.name == NAME


def test_one_question_tells_all_halves_that_are_open_and_which_shall_stop(
    halves: Halves, database: Database
) -> None:
    runs = Runs(database)
    assert halves.open() == {}, "its run was not begun"
    text = codec.encode(Serve(tenant="acme", vms=VMS)).decode()
    runs.start(Run(id=RUN, tenant="acme", host="esx1", request=text, actor="anna", at=AT))
    assert halves.open() == {RUN: halves.of_run(RUN)}
    halves.hold(RUN)
    runs.ask_to_stop(RUN, actor="anna", at=AT)
    found = halves.open()[RUN]
    assert (found.held, found.stop) == (True, True)
    run_events.finish(runs, RUN, epoch=1, kind="failed", detail="{}", at=AT)
    assert halves.open() == {}
