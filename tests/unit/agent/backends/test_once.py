"""What is found out once."""

from __future__ import annotations

import asyncio

import pytest

from causeway_agent.backends.host.once import Once


async def test_many_who_ask_at_once_have_it_found_out_once() -> None:
    found: list[int] = []

    def find() -> int:
        found.append(len(found))
        return found[-1]

    once = Once(find)
    assert found == []
    assert set(await asyncio.gather(*(once() for _ in range(5)))) == {0}
    assert await once() == 0
    assert found == [0]


async def test_what_was_refused_is_tried_again() -> None:
    answers = iter((False, True))

    def find() -> str:
        if not next(answers):
            raise OSError("not now")
        return "found"

    once = Once(find)
    with pytest.raises(OSError, match="not now"):
        await once()
    assert await once() == "found"
