"""Numbers that only grow: never handed out twice, by any process, not even after kill -9."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest
from sqlalchemy import text

from causeway_controller.errors import StoreError
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import Database, connect
from causeway_controller.store.generations import GenerationBook

TAKER = """
import asyncio, sys
from causeway_controller.store.counters import StoredGenerations
from causeway_controller.store.database import connect
book = StoredGenerations(connect(sys.argv[1]))
async def take():
    while True:
        print(await book.next("a"), flush=True)
asyncio.run(take())
"""
ENOUGH = 20


@pytest.fixture
def book(database: Database) -> GenerationBook:
    return StoredGenerations(database)


async def test_generations_grow_for_each_appliance_by_itself(book: GenerationBook) -> None:
    assert [await book.next("a"), await book.next("a"), await book.next("b")] == [1, 2, 1]


async def test_what_an_appliance_has_seen_is_passed_over(book: GenerationBook) -> None:
    await book.at_least("a", 7)
    await book.at_least("a", 3)
    assert await book.next("a") == 8


async def test_concurrent_callers_get_different_numbers(book: GenerationBook) -> None:
    numbers = await asyncio.gather(*(book.next("a") for _ in range(20)))
    assert sorted(numbers) == list(range(1, 21))


def test_two_processes_that_are_killed_never_take_the_same_number(url: str) -> None:
    takers = [
        subprocess.Popen([sys.executable, "-c", TAKER, url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    taken: list[int] = []
    for taker in takers:
        assert taker.stdout is not None
        taken += [int(taker.stdout.readline()) for _ in range(ENOUGH)]
    for taker in takers:
        taker.send_signal(signal.SIGKILL)
    for taker in takers:
        rest, _ = taker.communicate()
        taken += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    assert len(taken) == len(set(taken)) >= 2 * ENOUGH
    opened = connect(url)
    assert asyncio.run(StoredGenerations(opened).next("a")) > max(taken)
    opened.close()


def test_epochs_only_grow_for_each_tenant_and_host(database: Database) -> None:
    epochs = Epochs(database)
    assert epochs.current("acme", "esx1") == 0
    assert [epochs.take("acme", "esx1"), epochs.take("acme", "esx1"), epochs.take("acme", "esx2")] == [
        1,
        2,
        1,
    ]
    epochs.at_least("acme", "esx2", 9)
    assert epochs.take("acme", "esx2") == 10


@pytest.mark.parametrize(
    "statement", ["UPDATE counter SET last = 1", "UPDATE counter SET owner = 'x'", "DELETE FROM counter"]
)
def test_the_database_lets_no_counter_shrink_or_go(database: Database, statement: str) -> None:
    epochs = Epochs(database)
    epochs.at_least("acme", "esx1", 5)
    with pytest.raises(StoreError, match="only grows"), database.write() as connection:
        connection.execute(text(statement))
    assert epochs.current("acme", "esx1") == 5
