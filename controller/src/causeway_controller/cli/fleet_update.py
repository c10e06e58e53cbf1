"""The command `appliance update`: the systems of appliances exchanged, one appliance after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from causeway_controller.cli import errors, telling
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
    json_wanted: Json = False,
) -> None:
    """Exchange the system of an appliance, or of all: one at a time, idle ones first, a tenant's together.

    Each restarts, and proves good before the next one begins; what does not become healthy takes back the
    system before it, and nothing more is begun. Repeat the command to go on: what runs it already stays.
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
            _plan(chosen, found, interrupt=interrupt, json_wanted=json_wanted)
            return
        stored = asked.send(update_routes.STORE_UPDATE, found).read(StoredUpdate)
        _roll(asked, chosen, {"build": stored.build, **flags}, json_wanted=json_wanted)


def _read(file: Path) -> UpdateFile:
    """Raises UsageError."""
    try:
        return update_file.read(file)
    except StoreError as error:
        raise errors.UsageError(str(error)) from error


def _in_order(asked: Client) -> list[ApplianceReport]:
    """Those that nothing depends on now first; one tenant after the other."""
    found = asked.ask(routes.DEPLOYED_APPLIANCES).read(ApplianceReports).appliances
    serving = {one.tenant for one in found if one.intended_mode not in {None, _IDLE}}
    return sorted(found, key=lambda one: (one.tenant in serving, one.tenant, one.host))


def _plan(chosen: list[ApplianceReport], file: UpdateFile, *, interrupt: bool, json_wanted: bool) -> None:
    rows = list(_planned(chosen, file, interrupt=interrupt))
    if json_wanted:
        telling.as_json({"version": file.manifest.version, "appliances": rows})
        return
    telling.table(
        ((row["tenant"], row["host"], row["runs"], row["would"]) for row in rows),
        ("tenant", "host", "runs", "would"),
    )


def _planned(chosen: list[ApplianceReport], file: UpdateFile, *, interrupt: bool) -> Iterator[dict[str, str]]:
    for one in chosen:
        runs = one.agent if isinstance(one.agent, str) else "unknown"
        mode = one.intended_mode if isinstance(one.intended_mode, str) else _IDLE
        would = f"be updated to {file.manifest.version}"
        if one.trouble:
            would = f"stop here until it is well: {one.trouble}"
        elif mode != _IDLE and not interrupt:
            would = f"stop here: it serves a failover ({mode})"
        elif runs == file.manifest.version:
            would = "stay if it is this build"
        yield {"tenant": one.tenant, "host": one.host, "runs": runs, "would": would}


def _roll(asked: Client, chosen: list[ApplianceReport], query: dict[str, str], *, json_wanted: bool) -> None:
    done: list[dict[str, Any]] = []
    for number, one in enumerate(chosen, 1):
        places = {"tenant": one.tenant, "host": one.host}
        telling.note(f"{one.tenant} on {one.host} ({number} of {len(chosen)})")
        progress = _until_over(asked, places, query)
        done.append({**places, "progress": progress.progress, "detail": progress.detail})
        if not json_wanted:
            typer.echo(f"{progress.appliance}: {progress.progress}; {progress.detail}")
        if progress.progress is Progress.FAILED:
            break
    if json_wanted:
        telling.as_json({"appliances": done})
    if done and done[-1]["progress"] is Progress.FAILED:
        left = len(chosen) - len(done)
        telling.end(f"stopped; {left} not begun. Mend it, then repeat the command", errors.REFUSED)


def _until_over(asked: Client, places: dict[str, str], query: dict[str, str]) -> UpdateProgress:
    """Ask until it is over; each time the controller waits a while before it answers."""
    while True:
        told = asked.ask(update_routes.UPDATE_APPLIANCE, places, query=query).read(UpdateProgress)
        if told.progress is not Progress.UNDER_WAY:
            return told
