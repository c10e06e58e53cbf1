"""The crash matrix, a few kills of it: `make crash-matrix` does a thousand."""

from __future__ import annotations

import pytest

from tests import crash_matrix

KILLS = 15


@pytest.mark.kernel
@pytest.mark.timeout(120)
async def test_an_agent_killed_inside_changes_starts_into_the_previous_or_the_new_document() -> None:
    tally = await crash_matrix.run(KILLS, seed=1, appliances=2)
    assert tally.broken == []
    assert sum(tally.results.values()) >= KILLS
    assert len(tally.results) > 1, tally.results
