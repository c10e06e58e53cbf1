"""The command `causeway`: reads like a guide, says what to do next, no traceback for what can happen."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller import __version__, programs
from causeway_controller.lab import revoke_commands
from causeway_controller.lab.commands import lab
from causeway_controller.update_command import update

ABOUT = """Network extension appliances for disaster recovery.

A production VM goes on talking, at an unchanged address, to a VM whose replica now runs at a provider. \
When the whole site is lost, the provider's appliance becomes its gateway, and its services answer at public \
addresses.

[bold]causeway lab demo[/] shows it on this machine, and proves it."""

app = typer.Typer(
    help=ABOUT,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _say_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"causeway {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Say the version.",
            is_eager=True,
            callback=lambda wanted: _say_version(wanted=wanted),
        ),
    ] = False,
) -> None:
    """Only `--version` is said of all commands."""


lab.command(rich_help_panel="Keys")(revoke_commands.revoke)
lab.command("take-back", rich_help_panel="Keys")(revoke_commands.take_back)
app.add_typer(lab, name="lab", short_help="Both sites on this machine, to try and to prove it.")
app.command(short_help="Exchange the system of an appliance.")(update)


def main() -> None:
    """Entry point of the command."""
    programs.find_system_programs()
    app()


if __name__ == "__main__":
    main()
