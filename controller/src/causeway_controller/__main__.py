"""The command `causeway`, whole: what asks a controller, and what starts one."""

from __future__ import annotations

from causeway_controller.cli.main import app
from causeway_controller.commands.serve import serve
from causeway_controller.commands.setup import setup

PANEL = "The controller on this host"


def main() -> None:
    """Entry point of the command."""
    app.command(short_help="Run the controller.", rich_help_panel=PANEL)(serve)
    app.command(short_help="Make what the controller needs.", rich_help_panel=PANEL)(setup)
    app()


if __name__ == "__main__":
    main()
