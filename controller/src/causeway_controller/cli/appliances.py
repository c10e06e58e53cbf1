"""The command `appliance`: the provider's appliances, as the inventory needs them."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller.cli import telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import routes
from causeway_controller.contract.appliances import DeployedAppliance
from causeway_controller.contract.change import AppliancesNeeded

appliance = typer.Typer(help="The provider's appliances, one per tenant and host.", no_args_is_help=True)


@appliance.command()
def needed(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Appliances that the inventory needs: tenant, host, and their vNICs."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.APPLIANCES)
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(AppliancesNeeded)
    telling.table(
        ((one.tenant, one.host, len(one.adapters), ", ".join(one.adapters)) for one in found.appliances),
        ("tenant", "host", "vnics", "adapters"),
    )


@appliance.command()
def deploy(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", show_default=False)],
    host: Annotated[str, typer.Argument(metavar="HOST", show_default=False)],
    *,
    json_wanted: Json = False,
) -> None:
    """Deploy the tenant's appliance on the host, enrol and configure it. What is so already stays.

    It takes as long as the machine boots. Interrupted or failed, it goes on where it was when it is repeated.
    """
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.ENSURE_APPLIANCE, {"tenant": tenant, "host": host})
    if json_wanted:
        telling.as_json(reply.value)
    else:
        found = reply.read(DeployedAppliance)
        typer.echo(f"{found.appliance} runs on {found.host}, is enrolled and has its document.")
