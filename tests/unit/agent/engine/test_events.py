"""The log speaks one vocabulary: what the engine, the API and the composition root say is in `events`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import causeway_agent
from causeway_agent.engine import events

ROOT = Path(causeway_agent.__file__).parent
NAMES = {name: value for name, value in vars(events).items() if name.isupper()}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def spoken(path: Path) -> list[ast.expr]:
    """First arguments of every call on a module's `_log`."""
    return [
        node.args[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "_log"
    ]


def sources() -> list[Path]:
    return [
        *ROOT.glob("*.py"),
        *(ROOT / "engine").glob("*.py"),
        *(ROOT / "api").glob("*.py"),
        ROOT / "backends/host/identity.py",
    ]


def test_names_are_distinct_and_of_one_form() -> None:
    assert len(set(NAMES.values())) == len(NAMES)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", value) for value in NAMES.values())


def test_every_event_is_a_constant_of_the_vocabulary() -> None:
    calls = [argument for path in sources() for argument in spoken(path)]
    assert calls
    for argument in calls:
        literals = [n for n in ast.walk(argument) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        assert not literals, ast.unparse(argument)


def test_every_word_of_the_vocabulary_is_used() -> None:
    text = "".join(path.read_text() for path in sources())
    assert [name for name in NAMES if f"events.{name}" not in text] == []
