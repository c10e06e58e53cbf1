"""The commands `appliance retire` and `gateway retire`: a run that is followed."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller.cli import following
from causeway_controller.cli.options import Detach, DryRun, Json
from causeway_controller.contract import gateway_routes, routes

Gone = Annotated[bool, typer.Option("--gone", help="Its host or machine is no more: nobody asks them.")]


def appliance(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", show_default=False)],
    host: Annotated[str, typer.Argument(metavar="HOST", show_default=False)],
    *,
    gone: Gone = False,
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Power an appliance off, delete it, revoke its certificates, forget it. Refused while it is failed over.

    It is a run, which another controller carries on.
    """
    following.chore(
        context,
        routes.RETIRE_APPLIANCE,
        {"tenant": tenant, "host": host},
        query=_query(gone=gone),
        dry_run=dry_run,
        detach=detach,
        json_wanted=json_wanted,
    )


def gateway(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GATEWAY", show_default=False)],
    *,
    gone: Gone = False,
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Power a gateway off, delete it, revoke its certificates. Its tunnels move to the others of its pool.

    It is a run, which another controller carries on.
    """
    following.chore(
        context,
        gateway_routes.RETIRE_GATEWAY,
        {"gateway": name},
        query=_query(gone=gone),
        dry_run=dry_run,
        detach=detach,
        json_wanted=json_wanted,
    )


def _query(*, gone: bool) -> dict[str, str]:
    return {"gone": "true"} if gone else {}
