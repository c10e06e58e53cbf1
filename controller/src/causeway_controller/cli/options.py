"""Options that many commands have, and the controller that they ask."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller.cli.connection import Client
from causeway_controller.cli.where import Where

Json = Annotated[bool, typer.Option("--json", help="For programs.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and say what would happen; change nothing.")
]
File = Annotated[
    str, typer.Option("--file", "-f", metavar="FILE", help="YAML or JSON; - reads standard input.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Do not follow the run; say its name and end.")]
Host = Annotated[
    str,
    typer.Option(
        help="The provider's host that the replicas are on; needed when the tenant has several.",
        show_default=False,
    ),
]


def client(context: typer.Context) -> Client:
    """The controller that the options before the command name."""
    where = context.find_object(Where)
    return Client(where or Where())
