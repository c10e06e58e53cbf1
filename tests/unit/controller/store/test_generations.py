"""Generations of one process; those that last are in the contract tests of the store."""

from __future__ import annotations

import asyncio

from causeway_controller.store.generations import MemoryBook


async def test_generations_grow_for_each_appliance_by_itself() -> None:
    book = MemoryBook()
    assert [await book.next("a"), await book.next("a"), await book.next("b")] == [1, 2, 1]


async def test_what_an_appliance_has_seen_is_passed_over() -> None:
    book = MemoryBook()
    await book.at_least("a", 7)
    await book.at_least("a", 3)
    assert await book.next("a") == 8


async def test_concurrent_callers_get_different_numbers() -> None:
    book = MemoryBook()
    numbers = await asyncio.gather(*(book.next("a") for _ in range(20)))
    assert sorted(numbers) == list(range(1, 21))
