"""How these commands end when something is wrong: with words, and exit code 1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from causeway_controller import settings
from causeway_controller.errors import ControllerError

CONFIG = typer.Option("--config", metavar="FILE", help=f"Settings; {settings.FILE} if it is there.")


def read_settings(config: Path | None) -> settings.Settings:
    """The settings of this file and of the environment. Raises SettingsError."""
    return settings.load(config, os.environ)


@contextmanager
def told() -> Iterator[None]:
    """Tell what the controller raises on purpose and end with exit code 1."""
    try:
        yield
    except ControllerError as error:
        typer.echo("\n".join(f"causeway: {line}" for line in str(error).splitlines()), err=True)
        raise typer.Exit(1) from error
