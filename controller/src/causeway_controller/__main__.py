"""The command `causeway`, whole: what asks a controller, and what starts one."""

from __future__ import annotations

import functools
from typing import Final

import typer

from causeway_controller.cli import main as asking
from causeway_controller.cli.later import Later

PANEL = "The controller on this host"


def _here(module: str, name: str, says: str, panel: str = PANEL) -> Later:
    return Later(module=f"causeway_controller.commands.{module}", name=name, says=says, panel=panel)


COMMANDS: Final = {
    "host": _here("host", "host", asking.COMMANDS["host"].says, asking.COMMANDS["host"].panel),
    "serve": _here("serve", "serve", "Run the controller."),
    "setup": _here("setup", "setup", "Make what the controller needs."),
    "backup": _here("backup", "backup", "Save all that it remembers."),
    "restore": _here("backup", "restore", "Fill an empty store with that."),
    "vault": _here("vault", "vault", "Secrets of the controller, and the keys that seal them."),
}


def main() -> None:
    """Entry point of the command."""
    whole()()


@functools.cache
def whole() -> typer.Typer:
    """Return the command with all that it has on a controller's host."""
    return asking.made({**asking.COMMANDS, **COMMANDS})


if __name__ == "__main__":
    main()
