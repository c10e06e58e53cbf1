"""What we rely on DBOS for, on both databases; its private recovery call is held here to what it does."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy
from dbos import DBOS

from causeway_controller.store.database import beside
from causeway_controller.workflows.durable import DurableEngine
from causeway_controller.workflows.ports import Body, EngineState
from tests import postgres

PATIENCE = 60


def engine(url: str, name: str, body: Body) -> DurableEngine:
    return DurableEngine(beside(url, "engine"), controller=name, body=body, polling=0.05)


async def until(holds: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            found = holds()
            if found is True or (not isinstance(found, bool) and await found):
                return
            await asyncio.sleep(0.05)


def test_it_is_the_version_that_this_was_tried_with() -> None:
    assert importlib.metadata.version("dbos") == "3.4.0"
    assert list(inspect.signature(DBOS._recover_pending_workflows).parameters) == ["executor_ids"]


async def test_what_a_dead_controller_held_is_carried_on(empty_url: str) -> None:
    done: list[str] = []
    forever, begun = asyncio.Event(), asyncio.Event()

    async def first(run: str) -> None:
        begun.set()
        await forever.wait()

    async def second(run: str) -> None:
        done.append(run)

    async with engine(empty_url, "one", first) as one:
        await one.submit("r1", key="acme/esx1")
        await one.submit("r1", key="acme/esx1")
        await asyncio.wait_for(begun.wait(), PATIENCE)
        assert await one.states(("r1", "r2")) == {"r1": EngineState.GOES_ON}
    async with engine(empty_url, "two", second) as two:
        assert await two.adopt(frozenset({"one", "two"})) == 0
        assert await two.adopt(frozenset({"two"})) == 1
        assert await two.adopt(frozenset({"two"})) == 0

        async def ended() -> bool:
            return await two.states(("r1",)) == {"r1": EngineState.ENDED}

        await until(ended)
        assert done == ["r1"]


async def test_a_run_that_was_given_up_is_carried_on_when_it_is_asked_for(empty_url: str) -> None:
    began: list[str] = []

    async def body(run: str) -> None:
        began.append(run)

    async with engine(empty_url, "one", body) as one:
        await DBOS.register_queue_async("runs", partition_concurrency=1, worker_concurrency=0)
        await one.submit("r1", key="acme/esx1")
        await DBOS.cancel_workflow_async("r1")
        assert await one.states(("r1",)) == {"r1": EngineState.GIVEN_UP}
        await one.submit("r1", key="acme/esx1")
        assert await one.states(("r1",)) == {"r1": EngineState.GIVEN_UP}, "again changes nothing"
        await one.resume("r1")
        await DBOS.register_queue_async("runs", partition_concurrency=1, worker_concurrency=9)
        await until(lambda: began == ["r1"])


async def test_one_run_of_a_key_at_a_time_and_others_beside_it(empty_url: str) -> None:
    began: list[str] = []
    gates = {run: asyncio.Event() for run in ("a1", "a2", "b1")}

    async def body(run: str) -> None:
        began.append(run)
        await gates[run].wait()

    async with engine(empty_url, "one", body) as one:
        for run in gates:
            await one.submit(run, key=run[0])
        await until(lambda: len(began) == 2)
        assert sorted(began) == ["a1", "b1"]
        gates["a1"].set()
        await until(lambda: len(began) == 3)
        for gate in gates.values():
            gate.set()

        async def ended() -> bool:
            return set((await one.states(tuple(gates))).values()) == {EngineState.ENDED}

        await until(ended)


async def test_what_is_kept_is_the_id_and_the_file_is_its_owners(tmp_path: Path) -> None:
    done = asyncio.Event()

    async def body(run: str) -> None:
        done.set()

    async with engine(f"sqlite:///{tmp_path}/causeway.db", "one", body) as one:
        await one.submit("r1", key="acme/esx1")
        await asyncio.wait_for(done.wait(), PATIENCE)
    path = tmp_path / "causeway-engine.db"
    assert path.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(path)
    (kept,) = connection.execute("SELECT workflow_uuid FROM workflow_status WHERE name = 'run'").fetchall()
    stages = connection.execute("SELECT * FROM operation_outputs").fetchall()
    connection.close()
    assert (kept, stages) == (("r1",), [])


async def test_on_postgresql_it_has_a_schema_of_its_own(postgres_home: Path) -> None:
    url = postgres.create(postgres_home, "schemas")

    async def body(run: str) -> None:
        """Nothing is to be done."""

    async with engine(url, "one", body):
        found = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with found.connect() as connection:
            schemas = sqlalchemy.inspect(connection).get_schema_names()
            public = sqlalchemy.inspect(connection).get_table_names("public")
        found.dispose()
    assert "causeway_engine" in schemas
    assert public == []


async def test_runs_that_are_over_are_forgotten_after_a_time_and_no_others(empty_url: str) -> None:
    forever = asyncio.Event()

    async def body(run: str) -> None:
        if run == "open":
            await forever.wait()

    async with engine(empty_url, "one", body) as one:
        for run in ("over1", "over2", "kept", "open"):
            await one.submit(run, key=run)
        names = ("over1", "over2", "kept", "open")

        async def ended() -> bool:
            found = await one.states(names)
            return [found.get(name) for name in names[:3]] == [EngineState.ENDED] * 3

        await until(ended)
        now = datetime.now(UTC)
        assert await one.forget(now - timedelta(hours=1), but=frozenset()) == 0
        assert await one.forget(now + timedelta(hours=1), but=frozenset({"kept"})) == 2
        assert await one.forget(now + timedelta(hours=1), but=frozenset({"kept"})) == 0
        assert set(await one.states(names)) == {"kept", "open"}
        await one.submit("over1", key="over1")
        assert "over1" in await one.states(names), "another run of the name is another one"
