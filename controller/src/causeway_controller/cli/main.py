"""The command `causeway`: reads like a guide, says what to do next, no traceback for what can happen."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Annotated

import typer

from causeway_controller import __version__
from causeway_controller.cli.lint import lint
from causeway_controller.cli.update import update

ABOUT = """Network extension appliances for disaster recovery.

A production VM goes on talking, at an unchanged address, to a VM whose replica now runs at a provider. \
When the whole site is lost, the provider's appliance becomes its gateway, and its services answer at public \
addresses.

[bold]causeway lab demo[/] shows it on this machine, and proves it."""

ATTACHED = "causeway.commands"
"""Entry points of other distributions, each a `typer.Typer`; the lab's is one."""

app = typer.Typer(
    help=ABOUT,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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


app.command(short_help="Check an inventory before anybody relies on it.")(lint)
app.command(short_help="Exchange the system of an appliance.")(update)
for attached in sorted(entry_points(group=ATTACHED), key=lambda point: point.name):
    app.add_typer(attached.load(), name=attached.name)


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
