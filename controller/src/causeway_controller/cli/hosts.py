"""The command `host`: the hypervisors of the inventory, asked and not changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from causeway_controller.cli import errors, telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import host_routes
from causeway_controller.contract.hosts import Finding, Grade, HostReport, HostVms

Name = Annotated[str, typer.Argument(metavar="HOST", help="As the inventory calls it.", show_default=False)]

host = typer.Typer(no_args_is_help=True)

_MARKS = {Grade.GOOD: "ok  ", Grade.UNKNOWN: "?   ", Grade.WARNING: "warn", Grade.PROBLEM: "STOP"}


@host.command()
def check(context: typer.Context, name: Name, *, json_wanted: Json = False) -> None:
    """Say whether a host has what the inventory needs there, and what to do about what it lacks.

    Nothing is changed. Exit code 1 when a deployment or a failover would fail.
    """
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(host_routes.CHECK_HOST, {"host": name})
    found = reply.read(HostReport)
    if json_wanted:
        telling.as_json(reply.value)
    else:
        for line in marked(found.findings):
            typer.echo(line)
        typer.echo(_verdict(found))
    if not found.ready:
        raise typer.Exit(errors.REFUSED)


@host.command()
def vms(context: typer.Context, name: Name, *, json_wanted: Json = False) -> None:
    """List the VMs that a host has: the id that a replica is entered with, name, power, vNICs."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(host_routes.HOST_VMS, {"host": name})
    found = reply.read(HostVms)
    if json_wanted:
        telling.as_json(reply.value)
        return
    telling.table(
        (
            (
                one.id,
                one.name,
                "on" if one.powered_on else "off",
                ", ".join(f"{nic.mac} {nic.network or '-'}" for nic in one.nics) or "-",
                one.known_as or "-",
            )
            for one in found.vms
        ),
        ("id", "name", "power", "vnics", "known as"),
    )


def marked(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line for each finding, and one for what to do next."""
    for one in findings:
        yield f"{_MARKS[one.grade]} {one.topic}: {one.text}"
        if one.advice:
            yield f"       Next: {one.advice}"


def _verdict(found: HostReport) -> str:
    problems = sum(1 for one in found.findings if one.grade is Grade.PROBLEM)
    warnings = sum(1 for one in found.findings if one.grade is Grade.WARNING)
    if not found.ready:
        return f"Host {found.host} is not ready: {telling.counted(problems, 'problem')}."
    beside = f", with {telling.counted(warnings, 'warning')}" if warnings else ""
    return f"Host {found.host} is ready{beside}."
