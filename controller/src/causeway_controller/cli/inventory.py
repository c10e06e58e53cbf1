"""The commands `apply`, `diff` and `export`: the inventory as a file in git."""

from __future__ import annotations

import typer

from causeway_controller import yaml_text
from causeway_controller.cli import errors, inventory_file, plain, telling
from causeway_controller.cli.connection import Client, Reply
from causeway_controller.cli.inventory_file import Read
from causeway_controller.cli.options import DryRun, File, Json, client
from causeway_controller.contract import routes
from causeway_controller.contract.change import Act, InventoryChange
from causeway_controller.contract.inventory import Inventory

_SIGNS = {Act.ADDED: "+", Act.CHANGED: "~", Act.REMOVED: "-"}


def apply(context: typer.Context, file: File, *, dry_run: DryRun = False, json_wanted: Json = False) -> None:
    """Replace the inventory by what a file says: whole, or not at all.

    What is wrong is told with its line in the file; then nothing was changed, and the exit code is 1. So it
    is when somebody else changed the inventory meanwhile: look at `causeway diff`, and repeat it.
    """
    read = inventory_file.read(file, json_wanted=json_wanted)
    with telling.told(read.name, read.places, json_wanted=json_wanted):
        reply = _try(client(context), read) if dry_run else _replace(client(context), read)
    _tell(reply, read, json_wanted=json_wanted, dry=dry_run)


def diff(context: typer.Context, file: File, *, json_wanted: Json = False) -> None:
    """Say what `apply` of this file would change: entries, appliances, what tenants are given.

    Exit code 1 when there is a difference, 0 when there is none.
    """
    read = inventory_file.read(file, json_wanted=json_wanted)
    with telling.told(read.name, read.places, json_wanted=json_wanted):
        reply = _try(client(context), read)
    _tell(reply, read, json_wanted=json_wanted, dry=True)
    if _differs(reply.read(InventoryChange)):
        raise typer.Exit(errors.REFUSED)


def export(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Print the inventory in force as YAML, as `apply` takes it."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.GET_INVENTORY)
    if json_wanted:
        telling.as_json(reply.value)
        return
    typer.echo(yaml_text.write(plain.of(reply.read(Inventory))), nl=False)


def _try(asked: Client, read: Read) -> Reply:
    return asked.ask(routes.PUT_INVENTORY, query={"dry_run": "true"}, body=read.text)


def _replace(asked: Client, read: Read) -> Reply:
    tag = asked.ask(routes.GET_INVENTORY).headers[routes.ETAG]
    return asked.ask(routes.PUT_INVENTORY, headers={routes.IF_MATCH: tag}, body=read.text)


def _differs(change: InventoryChange) -> bool:
    return bool(change.entries or change.appliances or change.leases)


def _tell(reply: Reply, read: Read, *, json_wanted: bool, dry: bool) -> None:
    if json_wanted:
        telling.as_json(reply.value)
        return
    change = reply.read(InventoryChange)
    for entry in change.entries:
        typer.echo(f"{_SIGNS[entry.act]} {entry.kind}/{entry.id}")
    for appliance in change.appliances:
        adapters = f"{len(appliance.adapters)} vNICs ({', '.join(appliance.adapters)})"
        typer.echo(f"{_SIGNS[appliance.act]} appliance of {appliance.tenant} on {appliance.host}: {adapters}")
    for lease in change.leases:
        typer.echo(f"{_SIGNS[lease.act]} {lease.tenant}: {lease.what}")
    if not _differs(change):
        typer.echo(f"No difference to revision {change.revision}.")
    elif dry:
        typer.echo(f"Revision {change.revision} stays in force: nothing was changed.")
    else:
        typer.echo(f"Revision {change.revision} is in force.")
    for line in telling.filling(change.fills, read.name, read.places):
        telling.note(line)
