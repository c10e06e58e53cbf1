"""The command `failover ask`: the provider's staff asks a tenant's controller."""

from __future__ import annotations

from typing import Annotated

import typer

from causeway_controller.cli import following
from causeway_controller.cli.options import Detach, DryRun, Json
from causeway_controller.contract import asking_routes
from causeway_controller.contract.requests import AskTenant


def ask(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", show_default=False)],
    vms: Annotated[list[str], typer.Argument(metavar="VM...", show_default=False)],
    *,
    host: Annotated[str, typer.Option(help="The provider's host that the replicas are on.")],
    reason: Annotated[str, typer.Option(help="Which the tenant's staff is told.")],
    end: Annotated[bool, typer.Option("--end", help="Ask that the failover be ended.")] = False,
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """At a provider's controller: ask the tenant's for a partial failover, which it leads, or refuses."""
    asked = AskTenant(tenant=tenant, host=host, vms=frozenset(vms), reason=reason, end=end)
    following.chore(
        context,
        asking_routes.ASK_TENANT,
        {"tenant": tenant},
        body=asked,
        about=f" asks the controller of {tenant}",
        unchanged="Nothing was asked for.",
        dry_run=dry_run,
        detach=detach,
        json_wanted=json_wanted,
    )
