"""The command `causeway setup`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from causeway_controller.commands.ending import CONFIG, read_settings, settings_as_owner, told
from causeway_controller.errors import StartError


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
            _say_what_is_missing(preparing.missing(settings_as_owner(config)))
            return
        if user:
            preparing.give(read_settings(config).state, user)
        settings = settings_as_owner(config)
        for line in preparing.prepare(settings, names=name or (), token_file=token_file):
            typer.echo(line)
        typer.echo("Ready: `causeway serve` starts it, `causeway status` asks how it is.")


def _say_what_is_missing(missing: Iterable[str]) -> None:
    lines = tuple(missing)
    for line in lines:
        typer.echo(line)
    if lines:
        raise typer.Exit(1)
    typer.echo("Nothing is missing.")
