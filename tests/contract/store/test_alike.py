"""SQLite and PostgreSQL behave alike: the same questions in the same order have the same answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causeway_controller.errors import StoreError
from causeway_controller.store import migrate
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.counters import Epochs
from causeway_controller.store.database import Database, connect
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run, Runs
from causeway_wire.problem import ProblemError
from tests import postgres, run_events
from tests.provider_inventory import plan, seed_example, tenant, with_

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORDS = st.text(max_size=12)
NAMES = st.sampled_from(["a", "b"])
INVENTORIES = st.sampled_from(
    [
        seed_example(),
        seed_example(tenants=()),
        seed_example(hardware_plans=(plan("large", 4), plan("small", 2))),
        seed_example(tenants=(tenant(more_public_ipv4=3),)),
        with_(seed_example(), hosts=()),
    ]
)

Step = Callable[[Database], object]


def replace(inventory: object, expected: int) -> Step:
    return lambda db: Inventories(db, now=lambda: AT).replace(inventory, expected=expected, actor="x")  # type: ignore[arg-type]


def act(actor: str, detail: str) -> Step:
    return lambda db: Audit(db).append(Act(at=AT, actor=actor, action="look", subject="s", detail=detail))


def start(name: str, host: str) -> Step:
    asked = Run(id=name, tenant="acme", host=host, request="{}", actor="x", at=AT)
    return lambda db: Runs(db).start(asked)


def happen(name: str, epoch: int, *, last: bool) -> Step:
    def step(db: Database) -> object:
        keep = run_events.finish if last else run_events.append
        return keep(Runs(db), name, epoch=epoch, kind="k", detail="{}", at=AT)

    return step


STEPS = st.one_of(
    st.builds(replace, INVENTORIES, st.integers(0, 3)),
    st.builds(act, WORDS, WORDS),
    st.builds(start, NAMES, NAMES),
    st.builds(happen, NAMES, st.integers(0, 2), last=st.booleans()),
    st.builds(lambda host: lambda db: Epochs(db).take("acme", host), NAMES),
)


def answer(step: Step, database: Database) -> object:
    """What the step returns, or what kind of refusal it meets."""
    try:
        return step(database)
    except ProblemError as error:
        return error.problem
    except (StoreError, ValueError) as error:
        return type(error)


def everything(database: Database) -> object:
    runs = Runs(database)
    return (
        Inventories(database, now=lambda: AT).load(),
        Audit(database).records(),
        Audit(database).broken_at(),
        runs.open(),
        [runs.events(name) for name in ("a", "b")],
        [Epochs(database).current("acme", host) for host in ("a", "b")],
    )


@pytest.fixture(scope="module")
def template(postgres_home: Path) -> str:
    database = connect(postgres.create(postgres_home, "alike"))
    migrate.upgrade(database)
    database.close()
    return "alike"


_made: list[str] = []


@settings(max_examples=20)
@given(steps=st.lists(STEPS, min_size=1, max_size=12))
def test_both_databases_answer_alike(postgres_home: Path, template: str, steps: list[Step]) -> None:
    _made.append(f"alike{len(_made)}")
    with tempfile.TemporaryDirectory() as directory:
        one = connect(f"sqlite:///{directory}/causeway.db")
        migrate.upgrade(one)
        other = connect(postgres.create(postgres_home, _made[-1], template=template))
        try:
            for step in steps:
                assert answer(step, one) == answer(step, other)
            assert everything(one) == everything(other)
        finally:
            one.close()
            other.close()
