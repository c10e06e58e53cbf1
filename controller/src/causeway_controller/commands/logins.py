"""A user with a password as one secret, asked for so that nobody sees it."""

from __future__ import annotations

import sys

import typer

from causeway_controller.cli import errors, telling
from causeway_wire.types import Secret


def of_user(user: str) -> Secret:
    """Return the secret of two lines: the user, and the password that is typed, or read from standard input.

    Ends the command with its usage's exit code where one of them cannot be part of a line.
    """
    password = given("Password")
    if not user.strip() or "\n" in user or "\r" in user:
        telling.end("the user is to be one line, such as causeway@vsphere.local", errors.USAGE)
    if not password or "\n" in password or "\r" in password:
        telling.end("the password is to be one line; nothing was kept", errors.USAGE)
    return Secret(f"{user}\n{password}\n")


def given(prompt: str, *, twice: bool = False) -> str:
    """Return what is typed unseen, or all of standard input without its last line's end."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice))
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")
