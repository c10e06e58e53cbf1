"""The commands `failover`, `rehearsal` and `rule`: each starts a run and follows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer
from msgspec import UNSET, structs

from causeway_controller.cli import asking, following, inventory_file, telling
from causeway_controller.cli.connection import Client
from causeway_controller.cli.errors import UsageError
from causeway_controller.cli.options import Detach, DryRun, File, Host, Json, client
from causeway_controller.contract import routes
from causeway_controller.contract.change import AppliancesNeeded, TenantReport
from causeway_controller.contract.requests import (
    EndRehearsal,
    FailBack,
    FailOver,
    FailOverSite,
    MakePermanent,
    Publish,
    Rehearse,
    Request,
    Undo,
    UndoSite,
)
from causeway_controller.contract.runs import PlannedRun
from causeway_controller.inventory.findings import some
from causeway_wire import codec
from causeway_wire.public_rules import PublicRule

failover = typer.Typer(no_args_is_help=True)
rehearsal = typer.Typer(no_args_is_help=True)
rule = typer.Typer(no_args_is_help=True)

TenantName = Annotated[str, typer.Argument(metavar="TENANT", show_default=False)]
Vms = Annotated[list[str], typer.Argument(metavar="VM...", show_default=False)]
FailedOver = Annotated[
    list[str] | None,
    typer.Argument(metavar="[VM...]", help="Without any, all that are failed over.", show_default=False),
]
PlanVms = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[VM...]",
        help="Without any, those of the plan, or without a plan all with a replica on the host.",
        show_default=False,
    ),
]
PlanName = Annotated[
    str,
    typer.Option(
        "--plan",
        metavar="PLAN",
        help="The failover plan that is followed; otherwise the tenant's first.",
        show_default=False,
    ),
]
But = Annotated[
    list[str] | None,
    typer.Option(
        "--but",
        metavar="VM",
        help="Leave this VM out, such as one whose replica somebody else has powered on; repeatable.",
        show_default=False,
    ),
]
StopAppliances = Annotated[
    bool, typer.Option("--stop-appliances", help="And power the appliances off, which nothing needs then.")
]


@failover.command()
def partial(
    context: typer.Context,
    tenant: TenantName,
    vms: Vms,
    *,
    end_full: Annotated[
        bool,
        typer.Option(
            "--end-full",
            help="At a tenant's controller: end the provider's full failover, and keep these VMs of it.",
        ),
    ] = False,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Fail VMs over, besides those that are already; the rest of the site runs on in production."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        start.run(FailOver(tenant=tenant, vms=frozenset(vms), end_full=end_full))


@failover.command()
def full(
    context: typer.Context,
    tenant: TenantName,
    vms: PlanVms = None,
    *,
    plan: PlanName = "",
    but: But = None,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Fail the whole site over: production is gone, the provider's appliance becomes the gateway."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        start.run(start.site(vms, plan, but))


@failover.command()
def escalate(
    context: typer.Context,
    tenant: TenantName,
    vms: PlanVms = None,
    *,
    plan: PlanName = "",
    but: But = None,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Go from a partial failover to the full one: production died while some of it was failed over."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        start.run(structs.replace(start.site(vms, plan, but), escalate=True))


@failover.command()
def undo(
    context: typer.Context,
    tenant: TenantName,
    vms: Annotated[list[str] | None, typer.Argument(metavar="[VM...]", show_default=False)] = None,
    *,
    whole: Annotated[bool, typer.Option("--full", help="End the full failover.")] = False,
    keep_partial: Annotated[
        list[str] | None,
        typer.Option(metavar="VM", help="With --full: leave this VM in partial failover; may be said again."),
    ] = None,
    stop_appliances: StopAppliances = False,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """End the partial failover of these VMs, or with --full the one of the site."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        kept = frozenset(keep_partial or ())
        if whole and vms:
            raise UsageError(
                "--full ends the failover of the site: name no VMs, or keep some with --keep-partial"
            )
        if not whole and (kept or not vms):
            raise UsageError("name the VMs whose failover ends, or say --full")
        if whole:
            start.run(UndoSite(tenant=tenant, keep_partial=kept, stop_appliances=stop_appliances))
        else:
            start.run(Undo(tenant=tenant, vms=frozenset(vms or ()), stop_appliances=stop_appliances))


@failover.command()
def permanent(
    context: typer.Context,
    tenant: TenantName,
    vms: FailedOver = None,
    *,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Make replicas that run production for good: no undo any more, only failback brings them back."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        start.run(MakePermanent(tenant=tenant, vms=frozenset(vms or ())))


@failover.command()
def failback(
    context: typer.Context,
    tenant: TenantName,
    vms: FailedOver = None,
    *,
    synchronised: Annotated[
        bool,
        typer.Option("--synchronised", help="Production is up to date already: no hook `release` is needed."),
    ] = False,
    stop_appliances: StopAppliances = False,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Give VMs back to production with what they became; the others stay, after a full failover partially."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        start.run(
            FailBack(
                tenant=tenant,
                vms=frozenset(vms or ()),
                synchronised=synchronised,
                stop_appliances=stop_appliances,
            )
        )


failover.command("ask")(asking.ask)


@rehearsal.command("start")
def start_rehearsal(
    context: typer.Context,
    tenant: TenantName,
    vms: PlanVms = None,
    *,
    plan: PlanName = "",
    but: But = None,
    internet: Annotated[
        bool, typer.Option("--internet", help="Let the replicas open connections to the internet.")
    ] = False,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Start replicas beside the running production, cut off from it; they stay until it is ended."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        meant = start.site(vms, plan, but)
        start.run(Rehearse(tenant=tenant, vms=meant.vms, but=meant.but, plan=meant.plan, internet=internet))


@rehearsal.command("end")
def end_rehearsal(
    context: typer.Context,
    tenant: TenantName,
    *,
    stop_appliances: StopAppliances = False,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """End the rehearsal: the replicas are powered off."""
    with starting(context, tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted) as start:
        start.run(EndRehearsal(tenant=tenant, stop_appliances=stop_appliances))


@rule.command()
def publish(
    context: typer.Context,
    tenant: TenantName,
    file: File,
    *,
    host: Host = "",
    dry_run: DryRun = False,
    detach: Detach = False,
    json_wanted: Json = False,
) -> None:
    """Make a file's list of public rules the tenant's, at once, whatever runs."""
    read = inventory_file.read(file, json_wanted=json_wanted)
    with telling.told(read.name, read.places, json_wanted=json_wanted):
        rules = codec.decode(read.text, tuple[PublicRule, ...])

    def in_file(pointer: str) -> str:
        """The file is the list itself, and the request names a rule by its place or by its id."""
        top, *rest = pointer.removeprefix("/").split("/")
        if top != "rules":
            return pointer
        places = {one.id: str(place) for place, one in reversed(list(enumerate(rules)))}
        return "".join(f"/{part}" for part in (*(places.get(one, one) for one in rest[:1]), *rest[1:]))

    with telling.told(read.name, read.places, in_file=in_file, json_wanted=json_wanted):
        start = Start(client(context), tenant, host, dry=dry_run, detach=detach, json_wanted=json_wanted)
        start.run(Publish(tenant=tenant, rules=rules))


@contextmanager
def starting(
    context: typer.Context, tenant: str, host: str, *, dry: bool, detach: bool, json_wanted: bool
) -> Iterator[Start]:
    """What starts the run of a command; tells what is refused."""
    with telling.told(json_wanted=json_wanted):
        yield Start(client(context), tenant, host, dry=dry, detach=detach, json_wanted=json_wanted)


class Start:
    """Starts a run of one tenant on one host, as the options of its command say."""

    def __init__(
        self, asked: Client, tenant: str, host: str, *, dry: bool, detach: bool, json_wanted: bool
    ) -> None:
        self._asked = asked
        self._tenant = tenant
        self._host = host or self._only_host()
        self._dry, self._detach, self._json = dry, detach, json_wanted

    def _only_host(self) -> str:
        """Raises UsageError where there is none, or more than one."""
        needed = self._asked.ask(routes.APPLIANCES).read(AppliancesNeeded).appliances
        hosts = [one.host for one in needed if one.tenant == self._tenant]
        if len(hosts) == 1:
            return hosts[0]
        if not hosts:
            others = sorted({one.tenant for one in needed})
            there = f"; appliances are needed of {some(others)}" if others else ""
            detail = f"{self._tenant} has no subscription on any host, and no network of production here"
            raise UsageError(f"{detail}{there}: correct the name, or enter one in the inventory")
        raise UsageError(f"{self._tenant} has replicas on {', '.join(hosts)}; say --host")

    def vms(self, named: list[str] | None) -> frozenset[str]:
        """Those named, or all whose replica is on the host. Raises UsageError where there is none."""
        if named:
            return frozenset(named)
        report = self._asked.ask(routes.TENANT, {"tenant": self._tenant}).read(TenantReport)
        hosts = {vm.name: vm.replica.host for vm in report.tenant.vms if vm.replica is not UNSET}
        there = frozenset(name for name, host in hosts.items() if host == self._host)
        if not there:
            others = ", ".join(sorted(set(hosts.values())))
            hint = f"it has some on {others}" if others else "enter one"
            raise UsageError(f"{self._tenant} has no VM with a replica on {self._host}; {hint}")
        return there

    def site(self, named: list[str] | None, plan: str, but: list[str] | None) -> FailOverSite:
        """The request of all that is meant; a plan names its VMs itself."""
        left_out = frozenset(but or ())
        if plan and not named:
            return FailOverSite(tenant=self._tenant, but=left_out, plan=plan)
        return FailOverSite(tenant=self._tenant, vms=self.vms(named), but=left_out, plan=plan or UNSET)

    def run(self, request: Request) -> None:
        """Start the run and follow it, or say what it would do."""
        places = {"tenant": self._tenant, "host": self._host}
        if self._dry:
            self._plan(request, places)
            return
        key = {routes.IDEMPOTENCY_KEY: str(uuid4())}
        reply = self._asked.ask(routes.START_RUN, places, headers=key, body=request)
        about = f" on {self._host}"
        following.begun(self._asked, reply, about=about, detach=self._detach, json_wanted=self._json)

    def _plan(self, request: Request, places: dict[str, str]) -> None:
        reply = self._asked.ask(routes.START_RUN, places, query={"dry_run": "true"}, body=request)
        if self._json:
            telling.as_json(reply.value)
            return
        planned = reply.read(PlannedRun)
        for number, stage in enumerate(planned.stages, 1):
            for step in stage:
                typer.echo(f"{number:>3}  {step}")
        for one in planned.replicas:
            typer.echo(f"{one.vm} starts {telling.as_of(one.restored_to, now=datetime.now(UTC))}")
        if isinstance(request, FailOverSite | Rehearse) and request.but:
            typer.echo(f"Left out: {', '.join(sorted(request.but))}")
        for note in planned.notes:
            typer.echo(f"Note: {note}")
        typer.echo("Nothing was changed.")
