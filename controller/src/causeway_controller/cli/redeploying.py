"""The commands `appliance redeploy` and `gateway redeploy`: a run that is followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final
from uuid import uuid4

import typer

from causeway_controller.cli import following, telling
from causeway_controller.cli.connection import Client
from causeway_controller.cli.options import Detach, DryRun, Json, client
from causeway_controller.contract import gateway_routes, routes
from causeway_controller.contract.routes import Route
from causeway_controller.contract.runs import PlannedRun, RunReport

Keep = Annotated[bool, typer.Option("--keep-certificates", help="Do not revoke those of the old machine.")]
_DRY: Final = {"dry_run": "true"}


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
        asking = _Asking(client(context), routes.REDEPLOY_APPLIANCE, places, json_wanted=json_wanted)
        asking.run(keep=keep, dry=dry_run, detach=detach)


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
        asking = _Asking(client(context), gateway_routes.REDEPLOY_GATEWAY, places, json_wanted=json_wanted)
        asking.run(keep=keep, dry=dry_run, detach=detach)


class _Asking:
    """Has the controller begin the run."""

    def __init__(self, asked: Client, route: Route, places: Mapping[str, str], *, json_wanted: bool) -> None:
        self._client = asked
        self._route = route
        self._places = dict(places)
        self._json = json_wanted

    def run(self, *, keep: bool, dry: bool, detach: bool) -> None:
        """Have it begin and follow it, or say what it would do."""
        query = {"keep_certificates": "true"} if keep else {}
        if dry:
            self._plan(query)
            return
        key = {routes.IDEMPOTENCY_KEY: str(uuid4())}
        reply = self._client.ask(self._route, self._places, query=query, headers=key)
        if detach:
            following.started(reply, json_wanted=self._json)
            return
        run = reply.read(RunReport).id
        telling.note(f"run {run}")
        following.follow(self._client, run, json_wanted=self._json)

    def _plan(self, query: Mapping[str, str]) -> None:
        reply = self._client.ask(self._route, self._places, query={**query, **_DRY})
        if self._json:
            telling.as_json(reply.value)
            return
        for stage in reply.read(PlannedRun).stages:
            typer.echo("\n".join(stage))
        typer.echo("Nothing was changed.")
