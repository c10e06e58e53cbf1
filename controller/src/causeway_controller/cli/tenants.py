"""The command `tenant`: what there is of a tenant, and its own controller."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller import yaml_text
from causeway_controller.cli import members, plain, telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import routes
from causeway_controller.contract.change import TenantReport, Tenants

tenant = typer.Typer(no_args_is_help=True)


@tenant.command("list")
def list_tenants(context: typer.Context, *, json_wanted: Json = False) -> None:
    """A line for each tenant: name, hosts, networks, VMs, description."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.TENANTS)
    if json_wanted:
        telling.as_json(reply.value)
        return
    telling.table(
        (
            (one.id, ",".join(one.hosts), one.networks, one.vms, one.description)
            for one in reply.read(Tenants).tenants
        ),
        ("tenant", "hosts", "networks", "VMs", "description"),
    )


@tenant.command("show")
def show_tenant(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TENANT")],
    *,
    json_wanted: Json = False,
) -> None:
    """What was entered of a tenant, the appliances it needs, and what it has been given."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.TENANT, {"tenant": name})
    if json_wanted:
        telling.as_json(reply.value)
        return
    report = reply.read(TenantReport)
    typer.echo(yaml_text.write(plain.of(report.tenant)), nl=False)
    for one in report.appliances:
        typer.echo(f"# appliance on {one.host}: {len(one.adapters)} vNICs ({', '.join(one.adapters)})")
    for lease in report.leases:
        typer.echo(f"# given: {lease}")


tenant.command("invite")(members.invite)
tenant.command("expel")(members.expel)
