"""Whatever a command prints, a program can ask for as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from causeway_agent import __main__ as agent
from causeway_controller import __main__ as controller
from causeway_controller.cli import main as asking

PROGRAMS = {"causeway serve", "causeway-agent run", "causeway-agent first-boot", "causeway-agent console"}
"""What a service manager starts, and no command that answers: they log, or keep a screen."""


def of_controller() -> Iterator[tuple[str, set[str]]]:
    """Every command of `causeway` that this distribution has, with its options."""
    own = {**asking.COMMANDS, **controller.COMMANDS}
    top: Any = typer.main.get_command(asking.made(own))
    for name, command in top.commands.items():
        if name in own:
            yield from _below(command, f"causeway {name}")


def _below(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
    if hasattr(command, "commands"):
        for word, one in command.commands.items():
            yield from _below(one, f"{name} {word}")
    else:
        yield name, {option for one in command.params for option in one.opts}


def of_agent() -> Iterator[tuple[str, set[str]]]:
    """Every command of `causeway-agent`, with its options."""
    for action in agent.command_line()._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, parser in action.choices.items():
                yield f"causeway-agent {name}", set(parser._option_string_actions)


ALL = {**dict(of_controller()), **dict(of_agent())}


def test_all_commands_are_looked_at() -> None:
    assert ALL.keys() >= PROGRAMS
    assert {"causeway vault drop-key", "causeway appliance retire", "causeway update"} <= ALL.keys()


@pytest.mark.parametrize("name", sorted(ALL.keys() - PROGRAMS))
def test_a_command_takes_json(name: str) -> None:
    assert "--json" in ALL[name]
