"""The command `host` on a controller's host: it asks the controller, and enters and tries hosts itself."""

from __future__ import annotations

import typer

from causeway_controller.cli import hosts
from causeway_controller.commands.host_add import add
from causeway_controller.commands.host_selftest import selftest

host = typer.Typer(no_args_is_help=True)
host.registered_commands += hosts.host.registered_commands
host.command(short_help="Enter a host, after a look at it.")(add)
host.command(short_help="Try a host with a throw-away VM.")(selftest)
