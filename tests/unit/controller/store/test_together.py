"""Who asks while others are answered is answered next, with all who asked meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from causeway_controller.store.together import Together


class Answers:
    """Doubles numbers, once it may; odd ones are refused."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.may = threading.Event()
        self.begun = threading.Event()

    def __call__(self, asked: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(asked))
        self.begun.set()
        assert self.may.wait(30)
        return [ValueError(f"{one} is odd") if one % 2 else 2 * one for one in asked]


async def _one_is_answered_and_three_wait(answers: Answers) -> list[int | BaseException]:
    together = Together[int, int](answers)
    first = asyncio.create_task(together.ask(2))
    assert await asyncio.to_thread(answers.begun.wait, 30)
    others = [asyncio.create_task(together.ask(number)) for number in (4, 5, 6)]
    await asyncio.sleep(0)
    answers.may.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


def test_all_who_ask_while_another_is_answered_are_answered_by_one_call() -> None:
    answers = Answers()
    found = asyncio.run(_one_is_answered_and_three_wait(answers))
    assert answers.calls == [[2], [4, 5, 6]]
    assert (found[0], found[1], found[3]) == (4, 8, 12)


def test_an_error_is_of_the_one_who_asked_for_it() -> None:
    found = asyncio.run(_one_is_answered_and_three_wait(Answers()))
    assert isinstance(found[2], ValueError)
    assert str(found[2]) == "5 is odd"


def test_a_call_that_fails_fails_for_all_of_it_and_the_next_one_is_made() -> None:
    def answer(asked: Sequence[int]) -> list[int | Exception]:
        if 1 in asked:
            raise OSError("the disk is full")
        return list(asked)

    async def ask() -> tuple[tuple[int | BaseException, ...], int]:
        together = Together[int, int](answer)
        failed = await asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True)
        return tuple(failed), await together.ask(3)

    failed, after = asyncio.run(ask())
    assert [str(one) for one in failed] == ["the disk is full"] * 2
    assert after == 3


def test_who_is_cancelled_leaves_the_others_their_answers() -> None:
    async def ask(answers: Answers) -> int:
        together = Together[int, int](answers)
        gone, stays = asyncio.create_task(together.ask(2)), asyncio.create_task(together.ask(4))
        assert await asyncio.to_thread(answers.begun.wait, 30)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        answers.may.set()
        return await stays

    answers = Answers()
    assert asyncio.run(ask(answers)) == 8
    assert answers.calls == [[2, 4]]


def test_one_is_used_by_one_event_loop_after_another() -> None:
    together = Together[int, int](list)
    assert [asyncio.run(together.ask(number)) for number in (1, 2)] == [1, 2]
