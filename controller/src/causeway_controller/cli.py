"""The command `causeway`: reads like a guide, says what to do next, no traceback for what can happen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from causeway_controller.lab import protocol, sandbox, view
from causeway_controller.lab.client import LabClient
from causeway_controller.lab.lab import LabError, VmRef
from causeway_controller.lab.steps import Step

ABOUT = """Network extension appliances for disaster recovery.

A production VM goes on talking, at an unchanged address, to a VM whose replica now runs at a provider.

[bold]causeway lab demo[/] shows it on this machine, and proves it."""

LAB_ABOUT = """Both sites on this machine: tenants, cloud gateways, a provider and an internet.

Machines are network namespaces, appliances run the real agent and real OpenVPN. \
Everything lives in private namespaces of the lab's own: nothing on this machine changes, \
labs of different names run side by side, and nothing is left when one ends or is killed. \
Root is not needed where the kernel allows user namespaces.

[bold]causeway lab up[/]
  start it
[bold]causeway lab exec acme/web1 ping 192.168.10.12[/]
  production VM web1 reaches db1
[bold]causeway lab failover acme/db1[/]
  db1 loses its power and goes on at the provider
[bold]causeway lab exec acme/web1 ping 192.168.10.12[/]
  the same address, now the replica
[bold]causeway lab status[/]
  where everything runs
[bold]causeway lab undo acme/db1[/]
  and back
[bold]causeway lab down[/]
  all gone

VMs are written tenant/vm. Both tenants, acme and globex, have web1 and db1 (192.168.10.11 and .12), \
app2 and files2 (192.168.20.11 and .12): the same addresses, on purpose."""

app = typer.Typer(
    help=ABOUT,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
lab = typer.Typer(help=LAB_ABOUT, rich_markup_mode="rich", no_args_is_help=True)
app.add_typer(lab, name="lab", short_help="Both sites on this machine, to try and to prove it.")


@app.callback()
def _root() -> None:
    """Keeps `lab` a command of its own while it is the only one."""


NameOption = Annotated[
    str, typer.Option("--name", "-n", help="Which lab; labs of different names run side by side.")
]
VmsArgument = Annotated[
    list[str], typer.Argument(metavar="VM...", help="As tenant/vm, for example acme/db1.")
]


@lab.command(rich_help_panel="Start and end")
def up(name: NameOption = "default") -> None:
    """Start the lab in the background and wait until every appliance is ready."""
    with _refusals():
        client = LabClient(name)
        client.start()
        _operate(client, "up", protocol.Request())
    _console().print("The lab is up. Try: [bold]causeway lab failover acme/db1[/]")


@lab.command(rich_help_panel="Start and end")
def down(name: NameOption = "default") -> None:
    """End the lab; nothing of it is left."""
    with _refusals():
        client = LabClient(name)
        _operate(client, "down", protocol.Request())
        client.wait_gone()
    _console().print("The lab is gone.")


@lab.command(rich_help_panel="Use")
def status(name: NameOption = "default") -> None:
    """Show where every VM runs and how every appliance is."""
    with _refusals():
        found = asyncio.run(LabClient(name).status())
        if not found.up:
            raise LabError("the lab is still starting; try again in some seconds")
        view.status(_console(), found)


@lab.command(rich_help_panel="Use")
def failover(
    vms: VmsArgument,
    *,
    name: NameOption = "default",
    keep_original: Annotated[
        bool,
        typer.Option("--keep-original", help="Leave the original running: the failover must be refused."),
    ] = False,
) -> None:
    """Cut the power of VMs in production and let their replicas take over at the provider.

    Measures the time from the command to the first packet between production and the replica.
    """
    _change("failover", vms, name, originals=not keep_original)


@lab.command(rich_help_panel="Use")
def undo(
    vms: VmsArgument,
    *,
    name: NameOption = "default",
    keep_off: Annotated[bool, typer.Option("--keep-off", help="Leave the original powered off.")] = False,
) -> None:
    """End the failover of VMs and power the originals on again."""
    _change("undo", vms, name, originals=not keep_off)


@lab.command(
    "exec",
    rich_help_panel="Use",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def execute(
    machine: Annotated[
        str, typer.Argument(help="A VM (acme/web1), replica (acme/db1-replica) or appliance.")
    ],
    command: Annotated[list[str] | None, typer.Argument(help="The command; a shell when left out.")] = None,
    name: NameOption = "default",
) -> None:
    """Run a command on a machine of the lab.

    Appliances: gateway1, gateway2; for each tenant TENANT-sp at the provider, TENANT-nea1 and TENANT-nea2 at
    home. Others: TENANT-router, TENANT-ctl, sp-router, sp-ctl, internet-host.
    """
    with _refusals():
        arguments = LabClient(name).enter(machine, *(command or [os.environ.get("SHELL", "/bin/sh")]))
    _become(arguments)


@lab.command(rich_help_panel="Start and end")
def demo() -> None:
    """Prove it, from start to end, in a lab of its own; exit code 0 only if every claim held."""
    _become(sandbox.command(sys.executable, "-m", "causeway_controller.lab.demo"))


def _change(operation: str, vms: list[str], name: str, *, originals: bool) -> None:
    with _refusals():
        refs = tuple(str(VmRef.parse(vm)) for vm in vms)
        _operate(LabClient(name), operation, protocol.Request(vms=refs, originals=originals))


def _operate(client: LabClient, operation: str, request: protocol.Request) -> None:
    """Run an operation and show it; raises LabError with the daemon's explanation."""
    console = _console()

    async def stream() -> None:
        with view.StepView(console) as steps:
            async for line in client.operate(operation, request):
                match line:
                    case protocol.StepLine():
                        steps.show(Step(name=line.name, seconds=line.seconds, error=line.error))
                    case protocol.DoneLine():
                        view.measures(console, line.measures)
                    case protocol.FailedLine():
                        raise LabError(line.message)

    asyncio.run(stream())


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Expected failures become one message and exit code 1."""
    try:
        yield
    except protocol.EXPECTED as error:
        Console(stderr=True).print(
            f"causeway: {protocol.explain(error)}", style="red", markup=False, highlight=False
        )
        raise typer.Exit(1) from error


def _become(arguments: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execvp(arguments[0], arguments)  # noqa: S606 - our own command line


def _console() -> Console:
    return Console()


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
