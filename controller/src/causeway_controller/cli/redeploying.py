"""The commands `appliance redeploy` and `gateway redeploy`: a run that is followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import uuid4

import typer

from causeway_controller.cli import following, telling
from causeway_controller.cli.connection import Client
from causeway_controller.cli.options import Detach, DryRun, Json, client
from causeway_controller.contract import gateway_routes, routes
from causeway_controller.contract.routes import Route

Keep = Annotated[bool, typer.Option("--keep-certificates", help="Do not revoke those of the old machine.")]


def appliance(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", show_default=False)],
    host: Annotated[str, typer.Argument(metavar="HOST", show_default=False)],
    *,
    keep: Keep = False,
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Put another machine in an appliance's place: same name, MACs, addresses, failover mode, public rules.

    What it carries is interrupted. It is a run, which another controller carries on.
    """
    places = {"tenant": tenant, "host": host}
    with telling.told(json_wanted=json_wanted):
        _redeploy(
            client(context),
            routes.REDEPLOY_APPLIANCE,
            places,
            keep=keep,
            dry_run=dry_run,
            detach=detach,
            json_wanted=json_wanted,
        )


def gateway(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GATEWAY", show_default=False)],
    *,
    keep: Keep = False,
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Put another machine in a gateway's place. Its tunnels move to the other gateways of its pool.

    It is a run, which another controller carries on.
    """
    places = {"gateway": name}
    with telling.told(json_wanted=json_wanted):
        _redeploy(
            client(context),
            gateway_routes.REDEPLOY_GATEWAY,
            places,
            keep=keep,
            dry_run=dry_run,
            detach=detach,
            json_wanted=json_wanted,
        )


def _redeploy(
    asked: Client,
    route: Route,
    places: Mapping[str, str],
    *,
    keep: bool,
    dry_run: bool,
    detach: bool,
    json_wanted: bool,
) -> None:
    """Have the run begin and follow it, or say what it would do."""
    query = {"keep_certificates": "true"} if keep else {}
    if dry_run:
        reply = asked.ask(route, places, query={**query, "dry_run": "true"})
        following.planned(reply, "Nothing was changed.", json_wanted=json_wanted)
        return
    reply = asked.ask(route, places, query=query, headers={routes.IDEMPOTENCY_KEY: str(uuid4())})
    following.begun(asked, reply, detach=detach, json_wanted=json_wanted)
