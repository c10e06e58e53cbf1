"""The command `run`: what runs there are, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
import typer
from msgspec import UNSET, UnsetType

from causeway_controller.cli import following, report_page, telling
from causeway_controller.cli.connection import Client
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import routes
from causeway_controller.contract.run_summary import RunSummary
from causeway_controller.contract.runs import RunEventReports, RunReport, RunReports

run = typer.Typer(no_args_is_help=True)

_WHERE: Final = {
    "appliances": ("appliance", "mode"),
    "vms": ("replica", "power"),
    "addresses": ("address", "held by"),
}
RunName = Annotated[str, typer.Argument(metavar="RUN", show_default=False)]


@run.command("list")
def list_runs(
    context: typer.Context,
    *,
    tenant: Annotated[str, typer.Option(help="Only of this tenant.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, help="The most that are shown.")] = 50,
    json_wanted: Json = False,
) -> None:
    """Runs, the newest first: name, tenant, host, state, who asked and when."""
    with telling.told(json_wanted=json_wanted):
        found = list(_runs(client(context), tenant, limit))
    if json_wanted:
        telling.as_json(msgspec.to_builtins(found, enc_hook=_raw))
        return
    telling.table(
        (
            (
                one.id,
                one.tenant or "all",
                one.host or "all",
                _state(one),
                one.actor,
                f"{one.at:%Y-%m-%d %H:%M:%S}",
            )
            for one in found
        ),
        ("run", "tenant", "host", "state", "by", "at (UTC)"),
    )


@run.command()
def show(context: typer.Context, name: RunName, *, json_wanted: Json = False) -> None:
    """A run, and everything that came of it so far."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.RUN, {"run": name})
        events = client(context).ask(routes.RUN_EVENTS, {"run": name})
    if json_wanted:
        telling.as_json({"run": reply.value, **events.value})
        return
    report = reply.read(RunReport)
    typer.echo(f"{report.id}: {_state(report)}; {report.where}")
    typer.echo(
        f"asked by {report.actor} at {report.at:%Y-%m-%d %H:%M:%S} UTC: {bytes(report.request).decode()}"
    )
    for event in events.read(RunEventReports).events:
        following.tell(event, json_wanted=False)


@run.command()
def report(
    context: typer.Context,
    name: RunName,
    *,
    html: Annotated[bool, typer.Option("--html", help="As a page, to be redirected into a file.")] = False,
    json_wanted: Json = False,
) -> None:
    """A run in one document: when each VM was ready, what is where now, every step. Also while it goes on."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.RUN_SUMMARY, {"run": name})
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(RunSummary)
    if html:
        typer.echo(report_page.page(found), nl=False)
        return
    took = "" if found.seconds is UNSET else f" after {found.seconds:.1f} s"
    typer.echo(f"{name}: {found.state}{took}; {found.run.where}")
    for sentence in (found.why, *(f"could not be undone: {one}" for one in found.kept)):
        if sentence:
            typer.echo(sentence)
    telling.table(
        (
            (
                vm.vm,
                vm.state,
                _seconds(vm.seconds),
                _seconds(vm.since),
                telling.moment(vm.restored_to),
                vm.error or "",
            )
            for vm in found.vms
        ),
        ("VM", "state", "from power on", "from the beginning", "restore point (UTC)", "why"),
    )
    for title, heads in _WHERE.items():
        telling.table(found.now.get(title, {}).items(), heads)


def _seconds(value: float | UnsetType) -> str:
    return "" if value is UNSET else f"{value:.1f} s"


@run.command()
def watch(context: typer.Context, name: RunName, *, json_wanted: Json = False) -> None:
    """Follow a run until it is over. Exit code 4 when it ended otherwise than wanted."""
    with telling.told(json_wanted=json_wanted):
        following.follow(client(context), name, json_wanted=json_wanted)


@run.command()
def stop(context: typer.Context, name: RunName, *, json_wanted: Json = False) -> None:
    """Stop a run before its next stage; its events say what was undone and what is kept."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.STOP_RUN, {"run": name})
    if json_wanted:
        telling.as_json(reply.value)
    else:
        typer.echo(f"Run {name} stops before its next stage; `causeway run watch {name}` follows it.")


@run.command()
def retry(context: typer.Context, name: RunName, *, json_wanted: Json = False) -> None:
    """Ask once more for what a run that failed was asked for, and follow the new run."""
    with telling.told(json_wanted=json_wanted):
        asked = client(context)
        again = asked.ask(routes.RETRY_RUN, {"run": name}).read(RunReport)
        telling.note(f"run {again.id}: {again.where}")
        following.follow(asked, again.id, json_wanted=json_wanted)


def _runs(asked: Client, tenant: str, limit: int) -> Iterator[RunReport]:
    query = {"tenant": tenant} if tenant else {}
    left = limit
    while left > 0:
        asking = {**query, "limit": str(min(left, routes.PAGE))}
        page = asked.ask(routes.RUNS, query=asking).read(RunReports)
        yield from page.runs
        left -= len(page.runs)
        if not page.next:
            return
        query["cursor"] = page.next


def _place(report: RunReport) -> tuple[str, str]:
    return (report.tenant or "all", report.host or "all")


def _state(report: RunReport) -> str:
    last = report.last.kind if report.last else "asked for"
    return f"open ({last})" if report.open else last


def _moment(report: RunReport) -> str:
    return f"{report.at:%Y-%m-%d %H:%M:%S}"


def _raw(value: object) -> object:
    return msgspec.json.decode(bytes(value))  # type: ignore[call-overload]
