"""The commands `appliance redeploy` and `gateway redeploy`: a run that is followed."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller.cli import following
from causeway_controller.cli.options import Detach, DryRun, Json
from causeway_controller.contract import gateway_routes, routes

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
    following.chore(
        context,
        routes.REDEPLOY_APPLIANCE,
        {"tenant": tenant, "host": host},
        query=_query(keep=keep),
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
    following.chore(
        context,
        gateway_routes.REDEPLOY_GATEWAY,
        {"gateway": name},
        query=_query(keep=keep),
        dry_run=dry_run,
        detach=detach,
        json_wanted=json_wanted,
    )


def _query(*, keep: bool) -> dict[str, str]:
    return {"keep_certificates": "true"} if keep else {}
