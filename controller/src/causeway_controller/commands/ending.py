"""How these commands end when something is wrong: with words, and exit code 1."""

from __future__ import annotations

import os
import pwd
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


def settings_as_owner(config: Path | None) -> settings.Settings:
    """Read the settings and, as root, go on as the owner of the state directory. Raises SettingsError.

    What root wrote there, the controller could not read.
    """
    found = read_settings(config)
    if os.geteuid() == 0 and found.state.is_dir():
        status = found.state.stat()
        become(status.st_uid, status.st_gid)
    return found


def become(user: int, group: int) -> None:
    """Go on as this user, in the groups that it is in. Raises OSError; needs root."""
    if user == os.geteuid():
        return
    try:
        os.initgroups(pwd.getpwuid(user).pw_name, group)
    except KeyError:
        os.setgroups([])
    os.setgid(group)
    os.setuid(user)


@contextmanager
def told() -> Iterator[None]:
    """Tell what the controller raises on purpose and end with exit code 1."""
    try:
        yield
    except ControllerError as error:
        typer.echo("\n".join(f"causeway: {line}" for line in str(error).splitlines()), err=True)
        raise typer.Exit(1) from error
