"""Steps on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from causeway_controller.lab.steps import Step
from causeway_controller.lab.view import StepView


def test_news_of_a_long_step_is_one_line_and_no_end_of_it() -> None:
    output = io.StringIO()
    view = StepView(Console(file=output, width=60))
    view.show(Step(name="boot a"))
    view.show(Step(name="boot a", at="15 s; " + "words " * 40))
    view.show(Step(name="boot a", seconds=20.0))
    news, end = output.getvalue().splitlines()
    assert news.startswith("  ..     boot a: 15 s; words")
    assert len(news) <= 60
    assert end == "  ok      20.000 s  boot a"
    assert [step.name for step in view.finished] == ["boot a"]
