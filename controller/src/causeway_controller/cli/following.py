"""Follows a run until it is over. Who stops following does not stop the run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import msgspec
import typer

from causeway_controller.cli import errors, telling
from causeway_controller.cli.connection import Client, Reply
from causeway_controller.cli.options import client
from causeway_controller.contract import routes
from causeway_controller.contract.routes import Route
from causeway_controller.contract.run_events import FINISHED
from causeway_controller.contract.runs import PlannedRun, RunEventReport, RunReport

END: Final = "end"
_FIRST: Final = ("why", "mode")
"""Members that a person looks for."""
_TRIES: Final = 30
"""To reach a controller again: another one may have to take over."""
_PAUSE_SECONDS: Final = 2.0


def follow(client: Client, run: str, *, json_wanted: bool) -> None:
    """Print each event until the run is over; exit code 4 when it ended otherwise than wanted."""
    try:
        asyncio.run(_follow(client, run, json_wanted=json_wanted))
    except KeyboardInterrupt:
        telling.note(f"run {run} goes on at the controller; follow it again with `causeway run watch {run}`,")
        telling.end(f"end it with `causeway run stop {run}`", errors.OK)
    report = client.ask(routes.RUN, {"run": run}).read(RunReport)
    last = report.last
    if isinstance(last, RunEventReport) and last.kind != FINISHED:
        telling.end(f"run {run}: {last.kind}; `causeway run show {run}` has all of it", errors.RUN_FAILED)


def begun(client: Client, reply: Reply, *, about: str = "", detach: bool, json_wanted: bool) -> None:
    """Follow the run that was started, or only print it. `about`: what is said of it after its name."""
    run = reply.read(RunReport).id
    if not detach:
        telling.note(f"run {run}{about}")
        follow(client, run, json_wanted=json_wanted)
    elif json_wanted:
        telling.as_json(reply.value)
    else:
        typer.echo(run)


def chore(
    context: typer.Context,
    route: Route,
    places: Mapping[str, str],
    *,
    query: Mapping[str, str] | None = None,
    body: object = None,
    about: str = "",
    unchanged: str = "Nothing was changed.",
    dry_run: bool,
    detach: bool,
    json_wanted: bool,
) -> None:
    """Have the run of this route begin and follow it, or say what it would do.

    `about`: as of `begun`; `unchanged`: what a dry run ends with.
    """
    with telling.told(json_wanted=json_wanted):
        asked = client(context)
        if dry_run:
            reply = asked.ask(route, places, query={**(query or {}), "dry_run": "true"}, body=body)
            planned(reply, unchanged, json_wanted=json_wanted)
            return
        key = {routes.IDEMPOTENCY_KEY: str(uuid4())}
        reply = asked.ask(route, places, query=query, headers=key, body=body)
        begun(asked, reply, about=about, detach=detach, json_wanted=json_wanted)


def planned(reply: Reply, ending: str, *, json_wanted: bool) -> None:
    """Print what a run would do, stage by stage, and a sentence at the end."""
    if json_wanted:
        telling.as_json(reply.value)
        return
    for stage in reply.read(PlannedRun).stages:
        typer.echo("\n".join(stage))
    typer.echo(ending)


async def _follow(client: Client, run: str, *, json_wanted: bool) -> None:
    """Reads on where a stream broke off, for as long as a controller may need to come back."""
    after, failures = "0", 0
    while True:
        try:
            async for message in client.stream(routes.RUN_EVENTS, {"run": run}, after=after):
                failures = 0
                if message.kind == END:
                    return
                after = message.number
                tell(msgspec.json.decode(message.data, type=RunEventReport), json_wanted=json_wanted)
        except errors.UnreachableError as error:
            failures += 1
            if failures > _TRIES:
                raise
            telling.note(f"{error}; trying again")
        if failures == 0 and not client_open(await asyncio.to_thread(client.ask, routes.RUN, {"run": run})):
            return
        await asyncio.sleep(_PAUSE_SECONDS if failures else 0)


def client_open(reply: Any) -> bool:
    """Whether the run in this answer is open."""
    return bool(reply.read(RunReport).open)


def tell(event: RunEventReport, *, json_wanted: bool) -> None:
    """One event in a line."""
    if json_wanted:
        typer.echo(msgspec.json.encode(event).decode())
        return
    typer.echo(
        f"{event.at:%H:%M:%S}  {event.number:>3}  {event.kind:<12}  {_words(bytes(event.detail))}".rstrip()
    )


def _words(detail: bytes) -> str:
    """A detail's members in a line; what they are called is the run's business."""
    value = json.loads(detail)
    if isinstance(value, dict) and {"step", "state"} <= value.keys():
        seconds = f" ({value['seconds']} s)" if "seconds" in value else ""
        error = f": {value['error']}" if "error" in value else ""
        return f"{value['step']}: {value['state']}{seconds}{error}"
    if isinstance(value, dict):
        first = {name: value[name] for name in _FIRST if name in value}
        return ", ".join(_members({**first, **value}))
    return _plain(value)


def _members(value: dict[str, Any]) -> list[str]:
    """What says something of them."""
    return [f"{name}: {_plain(inner)}" for name, inner in value.items() if inner not in (None, "", [], {})]


def _plain(value: Any) -> str:
    """What is inside a member, as people write it."""
    if isinstance(value, dict):
        return f"({', '.join(_members(value))})"
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
