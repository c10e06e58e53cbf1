"""`causeway lab sites` and `causeway lab power`: two organisations, each with a controller of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from causeway_lab.commands.lab import NameOption, operate, refusals
from causeway_lab.service import protocol, sites
from causeway_lab.service.client import LabClient


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


def begin(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose site has one: acme or globex.")],
    *,
    name: NameOption = "default",
) -> None:
    """Start a controller at the provider, and one in a tenant's site, that know nothing of each other.

    What is printed are two commands for your shell, `north` and the tenant's name, one for each console: \
[bold]eval "$(causeway lab sites acme)"[/]. Repeated, for another shell, it starts nothing and prints \
the same. They end with the lab.
    """
    client = LabClient(name)
    with refusals():
        operate(client, "sites", protocol.Request(tenants=(tenant,)), Console(stderr=True))
        consoles = (client.directory / sites.DIRECTORY / sites.CONSOLES).read_text(encoding="utf-8")
    typer.echo(consoles, nl=False)


def power(
    target: Annotated[str, typer.Argument(metavar="VM|TENANT", help="acme/db1, or acme: the whole site.")],
    switch: Annotated[Switch, typer.Argument(metavar="on|off")],
    *,
    name: NameOption = "default",
) -> None:
    """Switch a production VM, or cut a whole site off; when that returns its VMs stay off."""
    order = protocol.Request(vms=(target,), on=switch is Switch.ON)
    with refusals():
        operate(LabClient(name), "power", order)
