"""The command `appliance update`: the systems of appliances exchanged, one appliance after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from causeway_controller.cli import errors, following, telling
from causeway_controller.cli.connection import Client
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import routes, update_routes
from causeway_controller.contract.appliances import (
    ApplianceReport,
    ApplianceReports,
    Progress,
    StoredUpdate,
    UpdateProgress,
)
from causeway_controller.contract.requests import UpdateFleet
from causeway_controller.contract.routes import Route
from causeway_controller.errors import StoreError
from causeway_controller.fleet import update_file
from causeway_controller.fleet.update_file import UpdateFile

_IDLE = "idle"


def update(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Argument(metavar="TENANT", show_default=False)] = None,
    host: Annotated[str | None, typer.Argument(metavar="HOST", show_default=False)] = None,
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="causeway-VERSION.update")],
    everything: Annotated[bool, typer.Option("--all", help="All deployed appliances, one by one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Also a system older than the one that runs.")
    ] = False,
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="Also appliances that serve a failover.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and do not follow it.")] = False,
    json_wanted: Json = False,
) -> None:
    """Exchange the system of an appliance, or of all: one at a time, idle ones first, a tenant's together.

    Each restarts, and proves good before the next one begins; what does not become healthy takes back the
    system before it, and nothing more is begun. With --all it is a run, which another controller carries on.
    Repeat the command to go on: what runs it already stays.
    """
    if everything == bool(tenant and host) or bool(tenant) != bool(host):
        telling.end("say either TENANT and HOST, or --all", errors.USAGE)
    flags = {"allow_older": str(allow_older).lower(), "interrupt": str(interrupt).lower()}
    with telling.told(json_wanted=json_wanted):
        found = _read(file)
        asked = client(context)
        chosen = [one for one in _in_order(asked) if everything or (one.tenant, one.host) == (tenant, host)]
        if not chosen:
            telling.end("no such appliance is deployed; see `causeway appliance list`", errors.REFUSED)
        if dry_run:
            _plan(chosen, found, interrupt=interrupt, everything=everything, json_wanted=json_wanted)
            return
        stored = asked.send(update_routes.STORE_UPDATE, found).read(StoredUpdate)
        if not everything:
            _one(asked, chosen[0], {"build": stored.build, **flags}, json_wanted=json_wanted)
            return
        request = UpdateFleet(build=stored.build, allow_older=allow_older, interrupt=interrupt)
        key = {routes.IDEMPOTENCY_KEY: str(uuid4())}
        reply = asked.ask(update_routes.UPDATE_FLEET, headers=key, body=request)
        following.begun(asked, reply, detach=detach, json_wanted=json_wanted)


def _read(file: Path) -> UpdateFile:
    """Raises UsageError."""
    try:
        return update_file.read(file)
    except StoreError as error:
        raise errors.UsageError(str(error)) from error


def _in_order(asked: Client) -> list[ApplianceReport]:
    """Those that nothing depends on now first; one tenant after the other, gateways last."""
    found = asked.ask(routes.DEPLOYED_APPLIANCES).read(ApplianceReports).appliances
    serving = {one.tenant for one in found if one.intended_mode not in {None, _IDLE}}
    return sorted(
        found,
        key=lambda one: (not one.tenant, one.tenant in serving, one.tenant or "", one.host or one.appliance),
    )


def _plan(
    chosen: list[ApplianceReport],
    file: UpdateFile,
    *,
    interrupt: bool,
    everything: bool,
    json_wanted: bool,
) -> None:
    leaving = "be left out" if everything else "stop here"
    rows = list(_planned(chosen, file, interrupt=interrupt, leaving=leaving))
    if json_wanted:
        telling.as_json({"version": file.manifest.version, "appliances": rows})
        return
    telling.table(
        ((row["tenant"], row["host"], row["runs"], row["would"]) for row in rows),
        ("tenant", "host", "runs", "would"),
    )


def _planned(
    chosen: list[ApplianceReport], file: UpdateFile, *, interrupt: bool, leaving: str
) -> Iterator[dict[str, str]]:
    for one in chosen:
        runs = one.agent if isinstance(one.agent, str) else "unknown"
        mode = one.intended_mode if isinstance(one.intended_mode, str) else _IDLE
        would = f"be updated to {file.manifest.version}"
        if mode != _IDLE and not interrupt:
            would = f"{leaving}: it serves a failover ({mode})"
        elif one.trouble:
            would = f"stop here until it is well: {one.trouble}"
        elif runs == file.manifest.version:
            would = "stay if it is this build"
        yield {
            "tenant": one.tenant or "",
            "host": one.host or one.appliance,
            "runs": runs,
            "would": would,
        }


def _one(asked: Client, one: ApplianceReport, query: dict[str, str], *, json_wanted: bool) -> None:
    places = {"tenant": one.tenant or "", "host": one.host or ""}
    _until_well(asked, update_routes.UPDATE_APPLIANCE, places, query, json_wanted=json_wanted)


def gateway(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GATEWAY", show_default=False)],
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="causeway-VERSION.update")],
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Also a system older than the one that runs.")
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Exchange a gateway's system. Its tunnels move to the others of its pool while it restarts.

    What does not become healthy takes back the system before it. Repeat the command to go on.
    """
    with telling.told(json_wanted=json_wanted):
        found = _read(file)
        asked = client(context)
        stored = asked.send(update_routes.STORE_UPDATE, found).read(StoredUpdate)
        query = {"build": stored.build, "allow_older": str(allow_older).lower()}
        _until_well(asked, update_routes.UPDATE_GATEWAY, {"gateway": name}, query, json_wanted=json_wanted)


def _until_well(
    asked: Client, route: Route, places: dict[str, str], query: dict[str, str], *, json_wanted: bool
) -> None:
    told = _until_over(asked, route, places, query)
    if json_wanted:
        telling.as_json({"appliances": [{**places, "progress": told.progress, "detail": told.detail}]})
    else:
        typer.echo(f"{told.appliance}: {told.progress}; {told.detail}")
    if told.progress is Progress.FAILED:
        telling.end("it runs the system before. Mend it, then repeat the command", errors.REFUSED)


def _until_over(asked: Client, route: Route, places: dict[str, str], query: dict[str, str]) -> UpdateProgress:
    """Ask until it is over; each time the controller waits a while before it answers."""
    while True:
        told = asked.ask(route, places, query=query).read(UpdateProgress)
        if told.progress is not Progress.UNDER_WAY:
            return told
