"""The command `causeway setup`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from causeway_controller.cli import telling
from causeway_controller.cli.options import Json
from causeway_controller.commands.ending import CONFIG, read_settings, settings_as_owner, told
from causeway_controller.errors import StartError

if TYPE_CHECKING:
    from causeway_controller.app import preparing


def setup(
    config: Annotated[Path | None, CONFIG] = None,
    *,
    name: Annotated[
        list[str] | None,
        typer.Option(help="DNS name or address in a certificate to be made; may be said several times."),
    ] = None,
    user: Annotated[
        str,
        typer.Option(
            help="As root: who the controller runs as; without it, the owner of the state directory.",
            show_default=False,
        ),
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(help="Where the first admin's token goes; without it, it is shown, this once."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what is missing, make nothing; exit code 1 if anything is."),
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Make what the controller needs: directory, keys of the vault, store, certificate, a first token.

    It also brings the store of an older version to the tables of this one: back it up before. Repeating it is
    safe, what is there stays as it is. Each thing is told in a line.
    """
    from causeway_controller.app import preparing  # noqa: PLC0415 - it takes half a second

    with told():
        if user and os.geteuid():
            raise StartError(f"to go on as {user}, run this as root")
        if dry_run:
            _say_what_is_missing(list(preparing.missing(settings_as_owner(config))), json_wanted=json_wanted)
            return
        if user:
            preparing.give(read_settings(config).state, user)
        settings = settings_as_owner(config)
        made = list[dict[str, str]]()
        for one in preparing.prepare(settings, names=name or (), token_file=token_file):
            made.append(one.value())
            if not json_wanted:
                typer.echo(str(one))  # as it is made: what fails after it leaves it
    if json_wanted:
        telling.as_json({"made": made})
    else:
        typer.echo("Ready: `causeway serve` starts it, `causeway status` asks how it is.")


def _say_what_is_missing(missing: list[preparing.Made], *, json_wanted: bool) -> None:
    if json_wanted:
        telling.as_json({"missing": [one.value() for one in missing]})
    else:
        for one in missing:
            typer.echo(str(one))
    if missing:
        raise typer.Exit(1)
    if not json_wanted:
        typer.echo("Nothing is missing.")
