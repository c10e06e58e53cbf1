"""Who waits for this controller's own turn is not taken for an appliance that does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

from causeway_controller.workflows.survey import Survey


class Answering:
    """An appliance that answers at once."""

    async def live(self) -> None:
        """Answer."""


async def test_the_seconds_of_a_question_begin_when_it_is_asked() -> None:
    nothing: Any = None
    appliance: Any = Answering()
    turns = asyncio.Semaphore(1)
    survey = Survey(
        agents=lambda _: appliance,
        hypervisors=nothing,
        hooks=nothing,
        turns=turns,
        patience=0.05,
        pause=0.01,
        unenrolled=nothing,
    )
    async with turns:
        asked = asyncio.create_task(survey._silent("acme-provider"))
        await asyncio.sleep(4 * survey.patience)
    assert await asked is None
