"""The command `causeway setup`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from causeway_controller.commands.ending import CONFIG, read_settings, told
from causeway_controller.errors import StartError


def setup(
    config: Annotated[Path | None, CONFIG] = None,
    *,
    name: Annotated[
        list[str] | None,
        typer.Option(help="DNS name or address in a certificate to be made; may be said several times."),
    ] = None,
    user: Annotated[
        str, typer.Option(help="The user that the controller runs as; with it, run this as root.")
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(help="Where the first admin's token goes; without it, it is shown, this once."),
    ] = None,
) -> None:
    """Make what the controller needs: directory, keys of the vault, store, certificate, a first token.

    It also brings the store of an older version to the tables of this one: back it up before. Repeating it is
    safe, what is there stays as it is. Each thing is told in a line.
    """
    from causeway_controller.app import preparing  # noqa: PLC0415 - it takes half a second

    with told():
        settings = read_settings(config)
        if user:
            if os.geteuid():
                raise StartError(f"to go on as {user}, run this as root")
            preparing.become(user, settings.state)
        for line in preparing.prepare(settings, names=name or (), token_file=token_file):
            typer.echo(line)
        typer.echo("Ready: `causeway serve` starts it, `causeway status` asks how it is.")
