"""`causeway lab revoke` and `causeway lab take-back`: what is done about a stolen key, tried in the lab."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from causeway_controller.inventory.tenancy import Holder
from causeway_lab.commands.lab import NameOption, operate, refusals
from causeway_lab.service import protocol
from causeway_lab.service.client import LabClient

JsonOption = Annotated[bool, typer.Option("--json", help="All that is revoked now, for programs.")]


def revoke(
    holder: Annotated[Holder, typer.Argument(help="Whose certificate it is.")],
    of: Annotated[
        str | None,
        typer.Argument(metavar="OF", help="Of client and server as tenant/network; of gateway its name."),
    ] = None,
    *,
    name: NameOption = "default",
    serial: Annotated[
        str | None,
        typer.Option(help="Lower-case hexadecimal; the certificate in use when left out."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Have a stolen certificate refused, by everybody who could be shown it."""
    order = protocol.RevocationOrder(holder=holder.value, of=of, serial=serial)
    _obeyed(name, "revoke", protocol.Request(revocation=order), json=json)


def take_back(
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="Hexadecimal, see status --json.")],
    *,
    name: NameOption = "default",
    json: JsonOption = False,
) -> None:
    """Have a revoked certificate accepted again."""
    _obeyed(name, "take-back", protocol.Request(serial=serial), json=json)


def _obeyed(name: str, operation: str, request: protocol.Request, *, json: bool) -> None:
    """What a program reads is alone on the standard output."""
    client = LabClient(name)
    with refusals():
        operate(client, operation, request, Console(stderr=json))
        revoked = asyncio.run(client.status()).revoked
    if json:
        typer.echo(msgspec.json.encode(revoked))
        return
    for each in revoked:
        of = f" of tunnel {each.tunnel}" if each.tunnel else ""
        typer.echo(f"revoked: {each.serial} ({each.holder}{of})")
