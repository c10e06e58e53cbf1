"""The command `causeway`: reads like a guide, says what to do next, no traceback for what can happen."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from causeway_controller import __version__
from causeway_controller.cli import (
    access,
    appliances,
    certificates,
    failover,
    gateways,
    hosts,
    inventory,
    members,
    providers,
    replicas,
    runs,
    status,
)
from causeway_controller.cli.connection import SOCKET, Where
from causeway_controller.cli.explain import explain
from causeway_controller.cli.lint import lint
from causeway_controller.cli.update import update

ABOUT = """Network extension appliances for disaster recovery.

A production VM goes on talking, at an unchanged address, to a VM whose replica now runs at a provider. \
When the whole site is lost, the provider's appliance becomes its gateway, and its services answer at public \
addresses.

[bold]causeway lab demo[/] shows it on this machine, and proves it.

Exit codes: 0 done; 1 refused, or something was found; 2 the command line is wrong; 3 no controller answers; \
4 a run ended otherwise than wanted."""

ATTACHED = "causeway.commands"
"""Entry points of other distributions, each a `typer.Typer`; the lab's is one."""

INVENTORY = "What there is"
FAILOVER = "Failover"
ACCESS = "Who may, and who did"
SITES = "The other site's controller"
APPLIANCES = "One appliance"
OTHERS = "To try it"

app = typer.Typer(
    help=ABOUT,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"causeway {__version__}")
        raise typer.Exit


@app.callback()
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


app.command(short_help="What is wrong now.", rich_help_panel=INVENTORY)(status.status)
app.command(short_help="Check an inventory before anybody relies on it.", rich_help_panel=INVENTORY)(lint)
app.command(short_help="What a file would change.", rich_help_panel=INVENTORY)(inventory.diff)
app.command(short_help="Put a file in force.", rich_help_panel=INVENTORY)(inventory.apply)
app.command(short_help="Print what is in force.", rich_help_panel=INVENTORY)(inventory.export)
status.tenant.command("invite")(members.invite)
status.tenant.command("expel")(members.expel)
app.add_typer(status.tenant, name="tenant", rich_help_panel=INVENTORY)
app.add_typer(appliances.appliance, name="appliance", rich_help_panel=INVENTORY)
app.add_typer(gateways.gateway, name="gateway", rich_help_panel=INVENTORY)
app.add_typer(hosts.host, name="host", rich_help_panel=INVENTORY)
app.add_typer(replicas.replica, name="replica", rich_help_panel=INVENTORY)
app.add_typer(failover.failover, name="failover", rich_help_panel=FAILOVER)
app.add_typer(failover.rehearsal, name="rehearsal", rich_help_panel=FAILOVER)
app.add_typer(failover.rule, name="rule", rich_help_panel=FAILOVER)
app.add_typer(runs.run, name="run", rich_help_panel=FAILOVER)
app.add_typer(members.invitation, name="invitation", rich_help_panel=SITES)
app.add_typer(members.member, name="member", rich_help_panel=SITES)
app.add_typer(providers.provider, name="provider", rich_help_panel=SITES)
app.add_typer(certificates.certificate, name="certificate", rich_help_panel=ACCESS)
app.add_typer(access.token, name="token", rich_help_panel=ACCESS)
app.add_typer(access.audit, name="audit", rich_help_panel=ACCESS)
app.command(short_help="Why a packet passes or does not.", rich_help_panel=APPLIANCES)(explain)
app.command(short_help="Exchange the system of an appliance.", rich_help_panel=APPLIANCES)(update)
for attached in sorted(entry_points(group=ATTACHED), key=lambda point: point.name):
    app.add_typer(attached.load(), name=attached.name, rich_help_panel=OTHERS)


def main() -> None:
    """Ask a controller; `causeway_controller.__main__` has the commands that start one besides."""
    app()


if __name__ == "__main__":
    main()
