"""Commands that are loaded once they are wanted: who asks does not wait for what he did not ask with."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from causeway_controller.cli.words import TextOnly

_FIXED = "a guide has the commands that it was made with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A command or a group of commands, and what the guide says of it before it is loaded."""

    module: str
    name: str
    """In the module: a function, or a `typer.Typer`."""
    says: str
    panel: str


def guide(commands: Mapping[str, Later]) -> type[TyperGroup]:
    """Return the kind of group whose commands are these and no others."""

    class Guide(_Guide):
        later = commands

    return Guide


class _Guide(TextOnly):
    later: Mapping[str, Later]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name in self.commands:
            raise TypeError(f"{name}: {_FIXED}")
        self.commands = _Loading(self.later)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - a method of typer's
        """Return the names in the order of the guide."""
        return list(self.later)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - a method of typer's
        """Return what is listed: its line in the guide, without what it does."""
        found = self.later.get(cmd_name)
        return found and TyperCommand(name=cmd_name, short_help=found.says, rich_help_panel=found.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return what is to be run, loaded."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and self.commands[str(name)], rest


class _Loading(MutableMapping[str, Any]):
    """By name; a command is loaded when it is looked up."""

    def __init__(self, later: Mapping[str, Later]) -> None:
        self._later = dict(later)

    def __getitem__(self, name: str) -> Any:
        return _loaded(name, self._later[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._later)

    def __len__(self) -> int:
        return len(self._later)

    def __setitem__(self, name: str, command: Any) -> None:
        raise TypeError(f"{name}: {_FIXED}")

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{name}: {_FIXED}")


@functools.cache
def _loaded(name: str, later: Later) -> Any:
    found = getattr(importlib.import_module(later.module), later.name)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name, command.short_help, command.rich_help_panel = name, later.says, later.panel
    command.help = command.help or later.says
    return command
