"""The command `causeway host selftest`: a throw-away VM goes through a host, by its login in the vault."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from causeway_controller.cli import errors, telling
from causeway_controller.cli.options import Json
from causeway_controller.commands.ending import CONFIG, settings_as_owner, told
from causeway_controller.contract.selftest import Outcome, SelftestReport, SelftestStep
from causeway_wire import codec
from causeway_wire.types import VlanId

Name = Annotated[str, typer.Argument(metavar="HOST", help="As the inventory calls it.", show_default=False)]
Config = Annotated[Path | None, CONFIG]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", metavar="ID", help="A network to plug a vNIC into; may be repeated."),
]
Vlans = Annotated[
    list[str] | None,
    typer.Option("--vlan", metavar="SWITCH:VLAN", help="A VLAN that nobody has; may be repeated."),
]
Clean = Annotated[bool, typer.Option("--clean", help="Only remove what one that was killed has left.")]

_MARKS: Final = {Outcome.DONE: "ok  ", Outcome.FAILED: "FAIL", Outcome.SKIPPED: "-   "}
_TENTHS: Final = 10


def selftest(
    name: Name,
    networks: Networks = None,
    vlans: Vlans = None,
    *,
    clean: Clean = False,
    json_wanted: Json = False,
    config: Config = None,
) -> None:
    """Try a host with a throw-away VM: deploy, read back, power on and off, remove; each step timed.

    On the controller's own host; the controller may run or not. Where no network is named, the first of the
    inventory's on that host and a spare VLAN of its pools are taken. Whatever ends it, what it made is
    removed, at the latest by the next one. The report has no secrets: attach it to a bug. Exit code 1 when a
    step failed.
    """
    from causeway_controller.app import hosting  # noqa: PLC0415 - it takes half a second

    plugs = hosting.Plugs(networks=tuple(networks or ()), vlans=tuple(_vlan(one) for one in vlans or ()))
    with told(), telling.told(json_wanted=json_wanted):
        report = asyncio.run(
            hosting.selftest(
                settings_as_owner(config),
                name,
                plugs,
                clean=clean,
                tell=lambda step: typer.echo(_line(step), err=json_wanted),
                progress=_progress(),
            )
        )
    if json_wanted:
        typer.echo(codec.encode(report).decode())
    else:
        typer.echo(_verdict(report))
    if not report.passed:
        raise typer.Exit(errors.REFUSED)


def _vlan(text: str) -> tuple[str, VlanId]:
    switch, colon, number = text.rpartition(":")
    if not colon or not number.isdecimal() or not 1 <= int(number) <= 4094:  # noqa: PLR2004 - IEEE 802.1Q
        telling.end(f"--vlan {text}: say SWITCH:VLAN, the VLAN from 1 to 4094", errors.USAGE)
    return switch, int(number)


def _line(step: SelftestStep) -> str:
    return f"{_MARKS[step.outcome]} {step.name:<10} {step.seconds:8.2f} s  {step.detail}".rstrip()


def _verdict(report: SelftestReport) -> str:
    seconds = sum(one.seconds for one in report.steps)
    failed = [one.name for one in report.steps if one.outcome is Outcome.FAILED]
    how = f"failed: {', '.join(failed)}" if failed else "every step was done"
    return f"Host {report.host} ({report.kind}, Causeway {report.causeway}): {how}, in {seconds:.1f} s."


def _progress() -> Callable[[str, float], None]:
    """For who watches: a line when another tenth is there."""
    seen = [-1]

    def tell(phrase: str, fraction: float) -> None:
        tenth = int(fraction * _TENTHS)
        if sys.stderr.isatty() and tenth != seen[0]:
            seen[0] = tenth
            typer.echo(f"     {phrase}: {tenth * _TENTHS} %", err=True)

    return tell
