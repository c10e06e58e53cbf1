"""The commands `causeway lab ...`: they read like a guide, and say what to do next."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console

from causeway_controller.failover.extension import told as limits_of
from causeway_lab import programs, sandbox
from causeway_lab.assembly.lab import LabError, VmRef
from causeway_lab.commands import about, line_options
from causeway_lab.service import protocol, stale_answers, view
from causeway_lab.service.client import LabClient
from causeway_lab.world.line.wording import Wording
from causeway_lab.world.steps import Step
from causeway_wire.desired import Extension

lab = typer.Typer(
    help=about.LAB,
    rich_markup_mode="rich",
    no_args_is_help=True,
    callback=programs.find_system_programs,
)

NameOption = Annotated[
    str, typer.Option("--name", "-n", help="Which lab; labs of different names run side by side.")
]
TargetsArgument = Annotated[
    list[str],
    typer.Argument(metavar="VM...", help="As tenant/vm, for example acme/db1; with --full as tenant."),
]
FullOption = Annotated[bool, typer.Option("--full", help="Whole tenants: write acme, not acme/db1.")]
TenantsArgument = Annotated[list[str], typer.Argument(metavar="TENANT...", help="For example acme.")]


@lab.command(rich_help_panel="Start and end")
def up(
    name: NameOption = "default",
    extension: Annotated[
        Extension,
        typer.Option(help="How partial failover extends the networks; the limits of the choice are shown."),
    ] = Extension.ROUTED,
) -> None:
    """Start the lab in the background and wait until every appliance is ready."""
    with refusals():
        client = LabClient(name)
        client.start(extension)
        operate(client, "up", protocol.Request())
    _console().print("Its networks are extended", "\n".join(limits_of(extension)), highlight=False)
    _console().print("The lab is up. Try: [bold]causeway lab failover acme/db1[/]")


@lab.command(rich_help_panel="Start and end")
def down(name: NameOption = "default") -> None:
    """End the lab; nothing of it is left."""
    with refusals():
        client = LabClient(name)
        operate(client, "down", protocol.Request())
        client.wait_gone()
    _console().print("The lab is gone.")


@lab.command(rich_help_panel="Use")
def status(
    name: NameOption = "default",
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002
) -> None:
    """Show what is wrong, how every appliance is, where every VM runs, and what is published."""
    with refusals():
        found = asyncio.run(LabClient(name).status())
        if not found.up:
            raise LabError("the lab is still starting; try again in some seconds")
        if json:
            typer.echo(msgspec.json.encode(found))
        else:
            view.status(_console(), found)


@lab.command(rich_help_panel="Fail over")
def failover(
    targets: TargetsArgument,
    *,
    name: NameOption = "default",
    full: FullOption = False,
    claim_anyway: stale_answers.Option = None,
    escalate: Annotated[
        bool,
        typer.Option(
            "--escalate",
            help="With --full: a running partial failover becomes the full one in one change. "
            "Its replicas go on running. Without it that is refused.",
        ),
    ] = False,
    keep_original: Annotated[
        bool,
        typer.Option(
            "--keep-original",
            help="Leave production running. A partial failover must then be refused; in a full one the two "
            "sites are apart anyway.",
        ),
    ] = False,
) -> None:
    """Cut the power in production and let replicas take over at the provider.

    [bold]Partial[/] (the default): some VMs; the rest of production reaches them at unchanged addresses, \
through a tunnel. Measures the time from the command to the first packet between both.

    [bold]Full[/] (--full): the whole site. The provider's appliance becomes the gateway of its networks and \
owns its public addresses; published services answer there. Measures the time to the first packet from the \
internet.
    """
    stale_answers.read(claim_anyway or ())
    if escalate and not full:
        raise typer.BadParameter("only a full failover can be escalated to; add --full and name the tenant")
    with refusals():
        request = protocol.Request(
            vms=() if full else _refs(targets),
            tenants=tuple(targets) if full else (),
            originals=not keep_original,
            escalate=escalate,
            claim_anyway=tuple(claim_anyway or ()),
        )
        operate(LabClient(name), "failover", request)


@lab.command(rich_help_panel="Fail over")
def undo(
    targets: TargetsArgument,
    *,
    name: NameOption = "default",
    full: FullOption = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="VM",
            help="With --full: this VM stays at the provider, in partial failover with the production site "
            "that is back. May be repeated.",
        ),
    ] = None,
    keep_off: Annotated[bool, typer.Option("--keep-off", help="Leave production powered off.")] = False,
) -> None:
    """End a failover and power production on again; what the replicas changed is lost."""
    if keep and not full:
        raise typer.BadParameter("--keep belongs to --full; without it name the VMs to bring back")
    with refusals():
        request = protocol.Request(
            vms=_refs(keep or []) if full else _refs(targets),
            tenants=tuple(targets) if full else (),
            originals=not keep_off,
        )
        operate(LabClient(name), "undo", request)


@lab.command(rich_help_panel="Fail over")
def rehearse(
    tenants: TenantsArgument,
    *,
    name: NameOption = "default",
    end: Annotated[bool, typer.Option("--end", help="End it; its replicas are powered off.")] = False,
    internet: Annotated[
        bool,
        typer.Option("--internet", help="Networks with internet reach it in the rehearsal too."),
    ] = False,
) -> None:
    """Try a full failover beside the running production, which sees and notices nothing.

    All replicas start behind a gateway of their own, services are published on test addresses, and each \
replica's time from power on to ready is measured. It stays until it is ended, to be looked at.
    """
    with refusals():
        request = protocol.Request(tenants=tuple(tenants), internet=internet)
        operate(LabClient(name), "end-rehearsal" if end else "rehearse", request)


@lab.command(rich_help_panel="Publish")
def publish(
    vm: Annotated[str, typer.Argument(metavar="VM", help="As tenant/vm, for example acme/web1.")],
    public_port: Annotated[int, typer.Argument(help="The port on the public address. 22 is refused.")],
    *,
    name: NameOption = "default",
    public: Annotated[
        str | None, typer.Option(help="The public address; the tenant's first when left out.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="The VM's port; the public one when left out.")] = None,
    protocol_name: Annotated[str, typer.Option("--protocol", help="tcp or udp.")] = "tcp",
    source: Annotated[
        list[str] | None, typer.Option(help="Who may connect, as a prefix; everyone when left out.")
    ] = None,
) -> None:
    """Publish a service of a VM on a public address, in force while its site is failed over fully."""
    with refusals():
        wanted = protocol.Publication(
            vm=str(VmRef.parse(vm)),
            public_port=public_port,
            public=public,
            port=port,
            protocol=protocol_name,
            sources=tuple(source or ()),
        )
        operate(LabClient(name), "publish", protocol.Request(publication=wanted))


@lab.command(rich_help_panel="Publish")
def unpublish(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="As tenant/rule, see status.")],
    name: NameOption = "default",
) -> None:
    """Withdraw a published service; its open connections end at once, others go on."""
    with refusals():
        operate(LabClient(name), "unpublish", protocol.Request(rule=rule))


@lab.command(rich_help_panel="Use")
def line(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose, for example acme.")],
    *,
    name: NameOption = "default",
    delay: line_options.Delay = None,
    jitter: line_options.Jitter = None,
    loss: line_options.Loss = None,
    duplicate: line_options.Duplicate = None,
    reorder: line_options.Reorder = None,
    pause: line_options.Pause = None,
    rate: line_options.Rate = None,
    queue: line_options.Queue = None,
    mtu: line_options.Mtu = None,
    icmp: line_options.Icmp = None,
    block: line_options.Block = None,
    direction: line_options.InDirection = None,
    nat: line_options.Nat = None,
    rebind_every: line_options.RebindEvery = None,
    seed: line_options.Seed = None,
    rebind: Annotated[bool, typer.Option("--rebind", help="Another outer port for every flow, now.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Begin with a clear line; alone: end it.")] = False,
) -> None:
    """Make the line between a tenant's router and the internet as bad as real ones are.

    What is left out stays as it is; status shows it, and what became of packets. A clear line is not in \
the way.
    """
    wording = Wording(
        delay=delay,
        jitter=jitter,
        loss=loss,
        duplicate=duplicate,
        reorder=reorder,
        pause=pause,
        rate=rate,
        queue=queue,
        mtu=mtu,
        icmp=icmp,
        block=tuple(block or ()),
        direction=direction,
        nat=nat,
        rebind_every=rebind_every,
        seed=seed,
    )
    order = protocol.LineOrder(tenant=tenant, wording=wording, clear=clear, rebind=rebind)
    with refusals():
        operate(LabClient(name), "line", protocol.Request(line=order))


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
    with refusals():
        arguments = LabClient(name).enter(machine, *(command or [os.environ.get("SHELL", "/bin/sh")]))
    _become(arguments)


@lab.command(rich_help_panel="Start and end")
def demo(
    image: Annotated[
        Path | None,
        typer.Option(
            help="The appliance's disk, qcow2: one tenant's appliances and a gateway boot it in QEMU, and "
            "a VM fails over between them. Takes minutes where there is no KVM.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    line: Annotated[
        str,
        typer.Option(
            metavar="OPTIONS",
            help="Over lines like this one, with the options of `causeway lab line`: "
            "'--delay 40ms --jitter 20ms --loss 1% --mtu 1400 --no-icmp'.",
        ),
    ] = "",
) -> None:
    """Prove it, from start to end, in a lab of its own; exit code 0 only if every claim held."""
    if line and image is not None:
        raise typer.BadParameter("--line is for the lab of processes; leave --image out")
    with refusals():
        conditions = line_options.conditions(line)
    over = () if conditions.clear else (msgspec.json.encode(conditions).decode(),)
    play = ("demonstration", *over) if image is None else ("pair", str(image.resolve()))
    _become(sandbox.command(sys.executable, "-m", f"causeway_lab.demo.{play[0]}", *play[1:]))


def _refs(vms: list[str]) -> tuple[str, ...]:
    return tuple(str(VmRef.parse(vm)) for vm in vms)


def operate(
    client: LabClient, operation: str, request: protocol.Request, console: Console | None = None
) -> None:
    """Run an operation and show it; raises LabError with the daemon's explanation."""
    console = console or _console()

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
def refusals() -> Iterator[None]:
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
