"""Generations: never handed out twice, not even after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from causeway_controller.errors import StoreError
from causeway_controller.store.generations import FileBook, GenerationBook, MemoryBook


@pytest.fixture(params=["memory", "file"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> GenerationBook:
    makers: dict[str, Callable[[], GenerationBook]] = {
        "memory": MemoryBook,
        "file": lambda: FileBook(tmp_path / "generations.json"),
    }
    return makers[request.param]()


async def test_generations_grow_for_each_appliance_by_itself(book: GenerationBook) -> None:
    assert [await book.next("a"), await book.next("a"), await book.next("b")] == [1, 2, 1]


async def test_what_an_appliance_has_seen_is_passed_over(book: GenerationBook) -> None:
    await book.at_least("a", 7)
    await book.at_least("a", 3)
    assert await book.next("a") == 8


async def test_concurrent_callers_get_different_numbers(book: GenerationBook) -> None:
    numbers = await asyncio.gather(*(book.next("a") for _ in range(20)))
    assert sorted(numbers) == list(range(1, 21))


async def test_a_file_remembers(tmp_path: Path) -> None:
    path = tmp_path / "generations.json"
    await FileBook(path).next("a")
    assert await FileBook(path).next("a") == 2


def test_a_damaged_file_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "generations.json"
    path.write_text("{")
    with pytest.raises(StoreError, match=r"generations\.json"):
        FileBook(path)
