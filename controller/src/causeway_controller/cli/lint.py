"""The command `causeway lint`: an inventory in YAML, or replicas on all hosts, checked beforehand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import typer

from causeway_controller.cli import errors, inventory_file, telling
from causeway_controller.cli.hosts import marked
from causeway_controller.cli.inventory_file import Read
from causeway_controller.cli.options import client
from causeway_controller.contract import host_routes
from causeway_controller.contract.change import Filling
from causeway_controller.contract.hosts import Grade, LintReport
from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory import appliances, filling
from causeway_controller.inventory.entry import enter
from causeway_wire import codec

_WRONG: Final = frozenset({Grade.WARNING, Grade.PROBLEM})
"""What somebody has to do something about. What is only worth knowing is a note: a pool that is full by
design stays so, and a command that ends with 1 each day is not looked at any more.
"""


def lint(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="The inventory as YAML or JSON; - reads standard input. Without it, replicas are checked.",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: problems, or appliances.")] = False,
) -> None:
    """Check an inventory without touching anything: every problem with its line and what to do about it.

    When there is none, the appliances that the provider needs for it, and as notes which pools and lists are
    nearly full. Without a file, have the controller look at the inventory in force: which replicas on all
    hosts are gone, renumbered, powered on or stale, which lists of revoked certificates and which pools fill
    up, each with what to do; fit to be run daily. Exit code 1 for problems and warnings, 0 when there is
    nothing but notes.
    """
    if file is None:
        _live(context, as_json=as_json)
        return
    read = inventory_file.read(file, json_wanted=as_json)
    with telling.told(read.name, read.places, json_wanted=as_json):
        inventory = codec.decode(read.text, Inventory)
        given = enter(inventory)
    _tell(inventory, tuple(filling.find(inventory, given)), read, as_json=as_json)


def _live(context: typer.Context, *, as_json: bool) -> None:
    with telling.told(json_wanted=as_json):
        reply = client(context).ask(host_routes.LINT)
    report = reply.read(LintReport)
    found = report.hosts
    wrong = {host.host: tuple(one for one in host.findings if one.grade in _WRONG) for host in found}
    if as_json:
        telling.as_json(reply.value)
    else:
        for host, findings in wrong.items():
            typer.echo(f"{host}: {telling.counted(len(findings), 'finding')}")
            for line in marked(findings):
                typer.echo(f"  {line}")
        if not found:
            typer.echo("The inventory in force has no replica.")
        for one in report.revoked:
            typer.echo(f"warn {one.subject}: {one.detail}")
        for line in telling.filling(report.fills):
            typer.echo(f"note {line}")
    if any(wrong.values()) or report.revoked:
        raise typer.Exit(errors.REFUSED)


def _tell(inventory: Inventory, fills: Sequence[Filling], read: Read, *, as_json: bool) -> None:
    needed = appliances.needed(inventory)
    if as_json:
        told = [{"tenant": one.tenant, "host": one.host, "adapters": list(one.adapters)} for one in needed]
        typer.echo(json.dumps({"problems": [], "appliances": told, "fills": msgspec.to_builtins(fills)}))
        return
    tenants = telling.counted(len(inventory.tenants), "tenant")
    typer.echo(f"No problem. Needed for {tenants}: {telling.counted(len(needed), 'provider appliance')}")
    for one in needed:
        typer.echo(f"  {one.tenant} on {one.host}: {len(one.adapters)} vNICs ({', '.join(one.adapters)})")
    for line in telling.filling(fills, read.name, read.places):
        typer.echo(f"note {line}")
