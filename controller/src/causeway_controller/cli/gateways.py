"""The command `gateway`: the provider's cloud gateways. `appliance list` has a line for each."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller.cli import appliances, fleet_update, redeploying, retiring, telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import gateway_routes
from causeway_controller.contract.appliances import DeployedAppliance
from causeway_controller.contract.routes import Route

Name = Annotated[str, typer.Argument(metavar="GATEWAY", show_default=False)]

gateway = typer.Typer(no_args_is_help=True)


@gateway.command()
def show(context: typer.Context, name: Name, *, json_wanted: Json = False) -> None:
    """How a gateway was when it was asked last. Exit code 1 when something is wrong with it."""
    appliances.show_one(context, gateway_routes.GATEWAY, {"gateway": name}, json_wanted=json_wanted)


@gateway.command()
def deploy(context: typer.Context, name: Name, *, json_wanted: Json = False) -> None:
    """Deploy a gateway of the inventory, enrol, certify and configure it. What is so already stays.

    It takes as long as the machine boots. Interrupted or failed, it goes on where it was when it is repeated.
    """
    done = f"Gateway {name} runs, is enrolled and has its document."
    _asked(context, gateway_routes.ENSURE_GATEWAY, name, {}, done, json_wanted=json_wanted)


@gateway.command()
def rotate(
    context: typer.Context,
    name: Name,
    *,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Refuse the certificates before it from now on.")
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Give a gateway's agent a new key and certificate now. By itself that is done long before they end."""
    query = {"revoke": "true"} if revoke else {}
    done = f"Gateway {name} has a new key and certificate."
    _asked(context, gateway_routes.ROTATE_GATEWAY, name, query, done, json_wanted=json_wanted)


gateway.command("redeploy")(redeploying.gateway)
gateway.command("update")(fleet_update.gateway)
gateway.command("retire")(retiring.gateway)


def _asked(
    context: typer.Context, route: Route, name: str, query: dict[str, str], done: str, *, json_wanted: bool
) -> None:
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(route, {"gateway": name}, query=query)
        reply.read(DeployedAppliance)
    if json_wanted:
        telling.as_json(reply.value)
    else:
        typer.echo(done)
