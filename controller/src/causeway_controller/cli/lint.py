"""The command `causeway lint`: an inventory in YAML, checked before anybody relies on it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from causeway_controller.cli import inventory_file, telling
from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory import appliances
from causeway_controller.inventory.entry import enter
from causeway_wire import codec


def lint(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The inventory as YAML or JSON; - reads standard input.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: problems, or appliances.")] = False,
) -> None:
    """Check an inventory without touching anything: every problem with its line and what to do about it.

    When there is none, the appliances that the provider needs for it. Exit code 1 when there are problems.
    """
    read = inventory_file.read(file, json_wanted=as_json)
    with telling.told(read.name, read.places, json_wanted=as_json):
        inventory = codec.decode(read.text, Inventory)
        enter(inventory)
    _tell(inventory, as_json=as_json)


def _tell(inventory: Inventory, *, as_json: bool) -> None:
    needed = appliances.needed(inventory)
    if as_json:
        told = [{"tenant": one.tenant, "host": one.host, "adapters": list(one.adapters)} for one in needed]
        typer.echo(json.dumps({"problems": [], "appliances": told}))
        return
    tenants = telling.counted(len(inventory.tenants), "tenant")
    typer.echo(f"No problem. Needed for {tenants}: {telling.counted(len(needed), 'provider appliance')}")
    for one in needed:
        typer.echo(f"  {one.tenant} on {one.host}: {len(one.adapters)} vNICs ({', '.join(one.adapters)})")
