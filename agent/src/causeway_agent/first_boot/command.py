"""`causeway-agent first-boot` and `causeway-agent console`: their options. Imports work when asked."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from causeway_agent.first_boot.carrier import Carrier
from causeway_agent.settings import Settings

STATE_DIRECTORY = "/var/lib/causeway"
RUN_DIRECTORY = "/run/causeway"
VPN_USER = "causeway-vpn"

Run = Callable[[Settings, argparse.Namespace], int]
Say = Callable[[str], None]


def add_parsers(commands: Any, *, run: Run, say: Say) -> None:
    """Add both to the commands of the program. `run` is what `--run` goes on with."""
    boot = commands.add_parser("first-boot", help="take the seed of a fresh appliance; at every boot")
    boot.add_argument("--wait", action="store_true", help="until there is one; without it, look once")
    boot.add_argument("--machine", action="store_true", help="also name the machine and set its time servers")
    boot.add_argument("--run", action="store_true", help="then run the agent, where there is no systemd")
    boot.add_argument(
        "--carrier", type=Carrier, choices=tuple(Carrier), action="append", help="look only there; repeatable"
    )
    for option, default in (
        ("--state-directory", STATE_DIRECTORY),
        ("--run-directory", RUN_DIRECTORY),
        ("--vpn-user", VPN_USER),
    ):
        boot.add_argument(option, default=default, help="for the settings; default: %(default)s")
    boot.set_defaults(command=lambda options: _first_boot(options, run=run, say=say))
    page = commands.add_parser("console", help="the page that the machine's console shows")
    page.add_argument("terminals", metavar="TTY", nargs="*", type=Path, help="where; else standard output")
    page.add_argument("--once", action="store_true", help="print it and end")
    page.add_argument("--issue", type=Path, metavar="FILE", help="write it there too (agetty(8), issue)")
    page.add_argument("--run-directory", default=RUN_DIRECTORY, help="default: %(default)s")
    page.set_defaults(command=_console)


def _first_boot(options: argparse.Namespace, *, run: Run, say: Say) -> int:
    from causeway_agent.first_boot import machine  # noqa: PLC0415

    good = machine.boot(options, say).run(wait=options.wait)
    known = machine.importer(options).remember().settings if options.run else None
    if known is not None:
        return run(known, options)
    return 0 if good else 1


def _console(options: argparse.Namespace) -> int:
    from causeway_agent.first_boot import machine  # noqa: PLC0415

    machine.console_page(options)
    return 0
