"""What a claim's outcome is, and when all held."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from causeway_lab.assembly.lab import LabError
from causeway_lab.demo.claims import Ledger, require


def _ledger() -> Ledger:
    return Ledger(Console(file=io.StringIO(), width=100))


async def _evidence() -> str:
    return "seen"


async def _broken() -> str:
    require(condition=False, seen="something else")
    return "never"


async def _refused() -> str:
    raise LabError("not up")


async def _defect() -> str:
    raise ZeroDivisionError


async def test_a_claim_holds_with_its_evidence() -> None:
    ledger = _ledger()
    assert await ledger.claim("it holds", _evidence())
    assert ledger.all_held
    assert ledger.outcomes[0].evidence == "seen"


@pytest.mark.parametrize(("proof", "reason"), [(_broken, "something else"), (_refused, "not up")])
async def test_one_broken_claim_is_enough(proof: type, reason: str) -> None:
    ledger = _ledger()
    await ledger.claim("it holds", _evidence())
    assert not await ledger.claim("it does not", proof())
    assert not ledger.all_held
    assert reason in ledger.outcomes[1].evidence


async def test_a_defect_is_not_taken_for_an_answer() -> None:
    with pytest.raises(ZeroDivisionError):
        await _ledger().claim("it holds", _defect())


def test_no_claims_prove_nothing() -> None:
    assert not _ledger().all_held
