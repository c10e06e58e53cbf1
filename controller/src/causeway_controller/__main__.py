"""The command `causeway`, whole: what asks a controller, and what starts one."""

from __future__ import annotations

import functools

import typer

from causeway_controller.cli.hosts import host
from causeway_controller.cli.main import app
from causeway_controller.commands.backup import backup, restore
from causeway_controller.commands.host_add import add
from causeway_controller.commands.host_selftest import selftest
from causeway_controller.commands.serve import serve
from causeway_controller.commands.setup import setup
from causeway_controller.commands.vault import vault

PANEL = "The controller on this host"


def main() -> None:
    """Entry point of the command."""
    whole()()


@functools.cache
def whole() -> typer.Typer:
    """Return the command with all that it has on a controller's host."""
    app.command(short_help="Run the controller.", rich_help_panel=PANEL)(serve)
    app.command(short_help="Make what the controller needs.", rich_help_panel=PANEL)(setup)
    app.command(short_help="Save all that it remembers.", rich_help_panel=PANEL)(backup)
    app.command(short_help="Fill an empty store with that.", rich_help_panel=PANEL)(restore)
    host.command(short_help="Enter a host, after a look at it.")(add)
    host.command(short_help="Try a host with a throw-away VM.")(selftest)
    app.add_typer(vault, name="vault", rich_help_panel=PANEL)
    return app


if __name__ == "__main__":
    main()
