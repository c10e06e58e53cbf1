"""The protocol of a partial failover, state by state: it holds, and every law of it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.checking import LAWS, check

pytestmark = pytest.mark.timeout(120)  # seconds of processor for a search, and others beside it


def test_with_all_laws_no_address_is_answered_for_where_nobody_serves_it(tmp_path: Path) -> None:
    found = check(tmp_path)
    assert found.broken is None
    assert found.states > 100_000, "a search that sees little shows little"


@pytest.mark.parametrize("law", LAWS)
def test_without_one_of_the_laws_it_does_not_hold(tmp_path: Path, law: str) -> None:
    assert check(tmp_path, without=law).broken
