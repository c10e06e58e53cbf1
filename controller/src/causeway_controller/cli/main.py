"""The command `causeway`: reads like a guide, says what to do next, no traceback for what can happen."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final

import typer

from causeway_controller import __version__
from causeway_controller.cli.later import Later, guide
from causeway_controller.cli.where import SOCKET, Where

ABOUT = """Network extension appliances for disaster recovery.

A production VM goes on talking, at an unchanged address, to a VM whose replica now runs at a provider. \
When the whole site is lost, the provider's appliance becomes its gateway, and its services answer at public \
addresses.

[bold]causeway lab demo[/] shows it on this machine, and proves it.

Exit codes: 0 done; 1 refused, or something was found; 2 the command line is wrong; 3 no controller answers; \
4 a run ended otherwise than wanted."""

ATTACHED = "causeway.commands"
"""Entry points of other distributions, each a `Later`; the lab's is one."""

INVENTORY = "What there is"
FAILOVER = "Failover"
ACCESS = "Who may, and who did"
SITES = "The other site's controller"
APPLIANCES = "One appliance"


def _here(module: str, name: str, says: str, panel: str) -> Later:
    return Later(module=f"causeway_controller.cli.{module}", name=name, says=says, panel=panel)


COMMANDS: Final = {
    "status": _here("status", "status", "What is wrong now.", INVENTORY),
    "lint": _here("lint", "lint", "Check an inventory before anybody relies on it.", INVENTORY),
    "diff": _here("inventory", "diff", "What a file would change.", INVENTORY),
    "apply": _here("inventory", "apply", "Put a file in force.", INVENTORY),
    "export": _here("inventory", "export", "Print what is in force.", INVENTORY),
    "tenant": _here("tenants", "tenant", "Tenants, as the controller knows them.", INVENTORY),
    "appliance": _here(
        "appliances",
        "appliance",
        "Appliances: one per tenant and host, or of a tenant's site one per network.",
        INVENTORY,
    ),
    "gateway": _here("gateways", "gateway", "Cloud gateways, where tenants' tunnels come in.", INVENTORY),
    "host": _here(
        "hosts",
        "host",
        "Hypervisors: what they lack, which VMs they have, and whether a VM can be deployed.",
        INVENTORY,
    ),
    "replica": _here(
        "replicas",
        "replica",
        "Replicas: which there are, how old they are, entered by hand, by discovery, by what replicates.",
        INVENTORY,
    ),
    "failover": _here("failover", "failover", "Let replicas take over, and give back.", FAILOVER),
    "rehearsal": _here("failover", "rehearsal", "Try a failover beside the running production.", FAILOVER),
    "rule": _here("failover", "rule", "What the internet reaches of a tenant in full failover.", FAILOVER),
    "run": _here(
        "runs",
        "run",
        "Runs: failovers, rehearsals, rebuilds, redeployments, retirements, updates, under way and past.",
        FAILOVER,
    ),
    "invitation": _here("members", "invitation", "Invitations of tenants' controllers.", SITES),
    "member": _here("members", "member", "Tenants' controllers that joined.", SITES),
    "provider": _here("providers", "provider", "Providers that this tenant's controller joined.", SITES),
    "certificate": _here(
        "certificates",
        "certificate",
        "Certificates of appliances, tunnels, gateways and controllers.",
        ACCESS,
    ),
    "token": _here("access", "token", "What programs and people show to be known.", ACCESS),
    "audit": _here("access", "audit", "Who did what and when.", ACCESS),
    "explain": _here("explain", "explain", "Why a packet passes or does not.", APPLIANCES),
    "update": _here("update", "update", "Exchange the system of an appliance.", APPLIANCES),
}


def made(commands: Mapping[str, Later]) -> typer.Typer:
    """Return the command with these, and with what other distributions attach."""
    attached = sorted(entry_points(group=ATTACHED), key=lambda point: point.name)
    every = {**commands, **{point.name: point.load() for point in attached}}
    command = typer.Typer(
        cls=guide(every),
        help=ABOUT,
        rich_markup_mode="rich",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command.callback()(_options)
    return command


def _say_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"causeway {__version__}")
        raise typer.Exit


def _options(
    context: typer.Context,
    *,
    server: Annotated[
        str | None,
        typer.Option(envvar="CAUSEWAY_SERVER", metavar="URL", help="A controller's https:// URL."),
    ] = None,
    socket: Annotated[
        Path,
        typer.Option(
            envvar="CAUSEWAY_SOCKET",
            help="Without --server: the controller on this host.",
            readable=False,  # whether it may be used, connecting says, and only where it is needed
        ),
    ] = SOCKET,
    token_file: Annotated[
        Path | None,
        typer.Option(envvar="CAUSEWAY_TOKEN_FILE", help="With --server: holds a token."),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(envvar="CAUSEWAY_CA_FILE", help="With --server: vouches for its certificate."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Say the version.",
            is_eager=True,
            callback=lambda wanted: _say_version(wanted=wanted),
        ),
    ] = False,
) -> None:
    """Which controller is asked, and as whom."""
    context.obj = Where(server=server, socket=socket, token_file=token_file, ca_file=ca_file)


app = made(COMMANDS)


def main() -> None:
    """Ask a controller; `causeway_controller.__main__` has the commands that start one besides."""
    app()


if __name__ == "__main__":
    main()
