"""The crash matrix, a few kills of it: `make crash-matrix` does a thousand."""

from __future__ import annotations

import pytest

from tests import bit_flips, crash_matrix

KILLS = 15
FLIPS = 24


@pytest.mark.kernel
@pytest.mark.timeout(120)
async def test_an_agent_killed_inside_changes_starts_into_the_previous_or_the_new_document() -> None:
    tally = await crash_matrix.run(KILLS, seed=1, appliances=2)
    assert tally.broken == []
    assert sum(tally.results.values()) >= KILLS
    assert len(tally.results) > 1, tally.results


@pytest.mark.kernel
@pytest.mark.timeout(180)
async def test_a_bit_flipped_in_any_file_of_the_state_directory_is_never_silently_believed() -> None:
    flips = await crash_matrix.flip(FLIPS, seed=1, appliances=2)
    assert flips.broken == []
    assert flips.tried >= FLIPS
    assert flips.results[bit_flips.TOLD] > FLIPS / 4, flips.results
