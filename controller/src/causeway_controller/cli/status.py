"""The command `status`."""

from __future__ import annotations

import typer

from causeway_controller.cli import errors, telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import routes
from causeway_controller.contract.status import About, Status


def status(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Say what is wrong now, in the first line; then how much there is. Exit code 1 when anything is."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.STATUS)
        about = client(context).ask(routes.ABOUT).read(About)
    found = reply.read(Status)
    if json_wanted:
        telling.as_json(reply.value)
    else:
        typer.echo(found.summary)
        for trouble in found.troubles:
            typer.echo(f"  {trouble.subject}: {trouble.detail}")
        for notice in found.notices:
            typer.echo(f"  Notice: {notice.subject}: {notice.detail}")
        tenants = telling.counted(found.tenants, "tenant")
        appliances = telling.counted(found.appliances, "appliance")
        told = f"{tenants}, {appliances} needed, {found.deployed} deployed"
        typer.echo(f"Inventory at revision {found.revision}: {told}.")
        typer.echo(f"Controller {about.version}; you are {about.caller.name}, {about.caller.role}.")
    if found.troubles:
        raise typer.Exit(errors.REFUSED)
