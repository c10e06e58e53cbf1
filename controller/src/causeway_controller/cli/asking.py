"""The command `failover ask`: the provider's staff asks a tenant's controller."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from causeway_controller.cli import following, telling
from causeway_controller.cli.options import Detach, DryRun, Json, client
from causeway_controller.contract import asking_routes, routes
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
    with telling.told(json_wanted=json_wanted):
        whom, where = client(context), {"tenant": tenant}
        if dry_run:
            reply = whom.ask(asking_routes.ASK_TENANT, where, query={"dry_run": "true"}, body=asked)
            following.planned(reply, "Nothing was asked for.", json_wanted=json_wanted)
            return
        key = {routes.IDEMPOTENCY_KEY: str(uuid4())}
        reply = whom.ask(asking_routes.ASK_TENANT, where, headers=key, body=asked)
        about = f" asks the controller of {tenant}"
        following.begun(whom, reply, about=about, detach=detach, json_wanted=json_wanted)
