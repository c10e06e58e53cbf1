"""Our own transactions are no news; any other is, once."""

from __future__ import annotations

import pytest

from causeway_agent.backends.filter import nft_generation
from causeway_agent.backends.filter.nft_generation import Generations


class Kernel:
    """Counts transactions."""

    def __init__(self) -> None:
        self.generation = 41

    def now(self) -> int:
        return self.generation


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(nft_generation, "now", made.now)
    return made


def test_nothing_is_foreign_to_who_looks_first(kernel: Kernel) -> None:
    assert Generations().foreign() == 0


def test_a_change_by_another_is_met_once(kernel: Kernel) -> None:
    known = Generations()
    known.foreign()
    kernel.generation += 3
    assert [known.foreign(), known.foreign()] == [1, 1]
    kernel.generation += 1
    assert known.foreign() == 2


@pytest.mark.parametrize("transactions", [0, 1, 5])
def test_our_own_are_none(kernel: Kernel, transactions: int) -> None:
    known = Generations()
    known.foreign()
    with known.ours() as change:
        kernel.generation += transactions
        change.transactions = max(transactions, 1)
        assert known.foreign() == 0, "not told before it is over"
    assert known.foreign() == 0


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_another_is_met_beside_our_own(kernel: Kernel, when: str) -> None:
    known = Generations()
    known.foreign()
    kernel.generation += when == "before"
    with known.ours():
        kernel.generation += 1 + (when == "within")
    kernel.generation += when == "after"
    assert known.foreign() == 1


def test_a_change_that_failed_leaves_the_question_open(kernel: Kernel) -> None:
    known = Generations()
    known.foreign()

    def fail() -> None:
        with known.ours():
            kernel.generation += 1
            raise OSError(1, "refused")

    with pytest.raises(OSError, match="refused"):
        fail()
    assert known.foreign() == 1
