"""The command `replica`: which VM at the provider stands in for which of production."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Final

import typer
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from causeway_controller.cli import errors, inventory_file, listed, telling
from causeway_controller.cli.connection import Client, Reply
from causeway_controller.cli.inventory_file import Read
from causeway_controller.cli.options import DryRun, File, Json, client
from causeway_controller.contract import host_routes, replica_routes, routes
from causeway_controller.contract.change import TenantReport
from causeway_controller.contract.hosts import HostVm, HostVms
from causeway_controller.contract.replicas import (
    ListedReplica,
    RegisterReplica,
    RegisterReplicas,
    ReplicaReport,
    Replicas,
)
from causeway_controller.inventory import matching
from causeway_controller.inventory.findings import Findings
from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError, combine
from causeway_wire.types import IPAddress

replica = typer.Typer(no_args_is_help=True)

TenantName = Annotated[str, typer.Argument(metavar="TENANT", show_default=False)]
VmName = Annotated[str, typer.Argument(metavar="VM", show_default=False)]
OnHost = Annotated[str, typer.Option(help="The provider's host that has it.", show_default=False)]
_ENTRY: Final = re.compile(r"/replicas/(\d+)(?:/|$)")
_SAID: Final = re.compile(r"/replicas/(\d+)(?=/)")
"""Another entry, in what is said of one."""
_NOT_TRIED: Final = "not tried: see below"
_ABOUT_ONE: Final = frozenset({404, 409, 412, 422})
"""Statuses of refusals that say nothing of other VMs."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A VM whose replica was looked for."""

    vm: str
    found: tuple[str, ...]
    """Ids of what is like it."""
    why: str
    """Why none is entered; empty where one is, or would be."""


@replica.command("list")
def list_replicas(context: typer.Context, tenant: TenantName, *, json_wanted: Json = False) -> None:
    """A tenant's replicas: VM, host, id, restore point, what is wrong. Exit code 1 when anything is."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(replica_routes.REPLICAS, {"tenant": tenant})
    found = reply.read(Replicas).replicas
    if json_wanted:
        telling.as_json(reply.value)
    else:
        telling.table(
            (
                (one.vm, one.host, one.vm_id, telling.moment(one.restored_to), "; ".join(one.wrong) or "-")
                for one in found
            ),
            ("VM", "host", "id", "restore point (UTC)", "wrong"),
        )
    if any(one.wrong for one in found):
        raise typer.Exit(errors.REFUSED)


@replica.command()
def register(
    context: typer.Context,
    tenant: TenantName,
    vm: VmName,
    *,
    host: OnHost,
    vm_id: Annotated[str, typer.Option("--id", help="As `causeway host vms` shows it.", show_default=False)],
    restored_to: Annotated[
        str, typer.Option(help="Its last restore point, RFC 3339 with a zone.", show_default=False)
    ] = "",
    address: Annotated[
        list[str] | None, typer.Option(help="Of the VM in production; may be repeated.", show_default=False)
    ] = None,
    json_wanted: Json = False,
) -> None:
    """Enter what stands in for a VM, and its restore point. A VM that is new there is looked for, and is off.

    The same again changes nothing but when it was told. A restore point or addresses that are left out are
    forgotten.
    """
    asked = RegisterReplica(
        host=host, vm_id=vm_id, restored_to=_moment(restored_to), addresses=_addresses(address or [])
    )
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(replica_routes.REGISTER_REPLICA, {"tenant": tenant, "vm": vm}, body=asked)
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(ReplicaReport)
    if found.restored_to is UNSET:
        point = "without a restore point; any told before is forgotten"
    else:
        point = f"restore point {telling.moment(found.restored_to)} UTC"
    typer.echo(f"{tenant}/{vm}: {found.vm_id} on {found.host}, {point}.")
    for wrong in found.wrong:
        typer.echo(f"  {wrong}")


@replica.command("import")
def import_(
    context: typer.Context,
    tenant: TenantName,
    file: File,
    *,
    dry_run: DryRun = False,
    json_wanted: Json = False,
) -> None:
    """Enter what stands in for many VMs, and their restore points, from a file: all of them, or none.

    It is a list of `{vm: VM, host: HOST, vm_id: ID, restored_to: MOMENT, addresses: [...]}`; the last two may
    be left out, and are forgotten then. Replicas of VMs that are not in it stay as they are.
    """
    read = inventory_file.read(file, json_wanted=json_wanted)
    with telling.told(read.name, read.places, json_wanted=json_wanted):
        wanted = _wanted(client(context), tenant, read)
        try:
            reply = _register_all(client(context), tenant, wanted, dry_run=dry_run)
        except ProblemError as error:
            raise ProblemError(_at(error.problem, range(len(wanted)))) from error
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(Replicas).replicas
    for one in found:
        for wrong in one.wrong:
            typer.echo(f"{tenant}/{one.vm}: {wrong}")
    what = "would be" if dry_run else "are"
    typer.echo(f"{telling.counted(len(found), 'replica')} of {tenant} {what} as the file says.")


@replica.command()
def discover(
    context: typer.Context,
    tenant: TenantName,
    host: Annotated[str, typer.Argument(metavar="HOST", show_default=False)],
    *,
    suffix: Annotated[str, typer.Option(help="What replicas have behind the VM's name.")] = "",
    dry_run: DryRun = False,
    json_wanted: Json = False,
) -> None:
    """Look on a host for replicas of those VMs that have none, by name or MAC address, and enter them.

    One that is refused keeps no other from being entered. Exit code 1 when one of them was refused or not
    found, or several were found for it.
    """
    with telling.told(json_wanted=json_wanted):
        asked = client(context)
        entered = asked.ask(routes.TENANT, {"tenant": tenant}).read(TenantReport).tenant
        there = asked.ask(host_routes.HOST_VMS, {"host": host}).read(HostVms).vms
        free = [one for one in there if not one.known_as]
        wanted = [vm for vm in entered.vms if vm.replica is UNSET]
        found = {vm.name: matching.alike(vm.name, vm.macs, free, suffix=suffix) for vm in wanted}
        why = {vm: _unsure(like) for vm, like in found.items()}
        stopped: Exception | None = None
        sure = [
            ListedReplica(vm=vm, host=host, vm_id=found[vm][0].id) for vm, text in why.items() if not text
        ]
        try:
            why |= _entered(asked, tenant, sure, dry_run=dry_run)
        except (ProblemError, errors.UnreachableError) as error:
            stopped = error
            why |= dict.fromkeys((one.vm for one in sure), _NOT_TRIED)
        rows = [_Looked(vm, tuple(one.id for one in found[vm]), text) for vm, text in why.items()]
    if json_wanted:
        telling.as_json(
            [
                {"vm": one.vm, "found": one.found, "entered": not (one.why or dry_run), "why": one.why}
                for one in rows
            ]
        )
    else:
        well = "would be entered" if dry_run else "entered"
        telling.table(
            ((one.vm, ", ".join(one.found) or "-", one.why or well) for one in rows), ("VM", "found", "what")
        )
        if not wanted:
            typer.echo(f"Every VM of {tenant} has a replica.")
    if stopped is not None:
        with telling.told():  # beside what was found, which is the one document of JSON
            raise stopped
    if any(one.why for one in rows):
        raise typer.Exit(errors.REFUSED)


@replica.command()
def remove(context: typer.Context, tenant: TenantName, vm: VmName, *, json_wanted: Json = False) -> None:
    """Forget the replica of a VM. Nothing is done to the VM at the provider."""
    with telling.told(json_wanted=json_wanted):
        client(context).ask(replica_routes.REMOVE_REPLICA, {"tenant": tenant, "vm": vm})
    if json_wanted:
        telling.as_json({"vm": vm})
    else:
        typer.echo(f"{tenant}/{vm} has no replica any more.")


def _wanted(asked: Client, tenant: str, read: Read) -> Sequence[ListedReplica]:
    """The list in the file. Raises ProblemError with all that is wrong: what the file cannot say, and what
    the controller would refuse of the others.
    """
    if not isinstance(read.value, list):
        return codec.decode(read.text, tuple[ListedReplica, ...])
    found, wrong = listed.read(read.value, ListedReplica)
    findings = Findings()
    for one in wrong:
        findings.note(one)
    if findings.problems and found:
        places = tuple(found)
        # Who is not reached, or refuses the whole, says so once the file can be read.
        with suppress(errors.UnreachableError, errors.UsageError):
            try:
                _register_all(asked, tenant, tuple(found.values()), dry_run=True)
            except ProblemError as error:
                findings.take(_at(error.problem, places))
    findings.problems.sort(key=lambda one: read.places.get(one.pointer or "", (0, 0)))
    findings.refuse()
    return tuple(found.values())


def _at(found: Problem, places: Sequence[int]) -> Problem:
    """The problem of a request, told of the file in which its entries stand at these places."""
    each = tuple(
        replace(
            one,
            pointer=f"/{places[int(entry[1])]}{(one.pointer or '')[entry.end(1) :]}",
            detail=_SAID.sub(lambda other: f"/{places[int(other[1])]}", one.detail),
        )
        for one in found.each
        if (entry := _ENTRY.match(one.pointer or "")) is not None
    )
    return combine(each, more=found.more or 0) if each else found


def _entered(asked: Client, tenant: str, wanted: Sequence[ListedReplica], *, dry_run: bool) -> dict[str, str]:
    """Enter all but those that are refused, and say why of these. What is about no single one is raised."""
    left, why = list(wanted), dict[str, str]()
    while left:
        try:
            _register_all(asked, tenant, left, dry_run=dry_run)
        except ProblemError as error:
            refused = _refused(error.problem)
            why |= {left[n].vm: f"refused: {'; '.join(texts)}" for n, texts in refused.items()}
            left = [one for n, one in enumerate(left) if n not in refused]
        else:
            break
    return why


def _refused(found: Problem) -> dict[int, list[str]]:
    """By the place in the list, what is said of it. Raises ProblemError for what is about the whole of it."""
    texts: dict[int, list[str]] = {}
    for one in found.each:
        entry = _ENTRY.match(one.pointer or "")
        if one.status not in _ABOUT_ONE or entry is None:
            raise ProblemError(found)
        texts.setdefault(int(entry[1]), []).append(one.detail)
    return texts


def _register_all(asked: Client, tenant: str, wanted: Sequence[ListedReplica], *, dry_run: bool) -> Reply:
    body, query = RegisterReplicas(replicas=tuple(wanted)), {"dry_run": "true"} if dry_run else {}
    return asked.ask(replica_routes.REGISTER_REPLICAS, {"tenant": tenant}, query=query, body=body)


def _unsure(found: list[HostVm]) -> str:
    """Why it cannot be said which one is the replica; empty where it can."""
    match found:
        case [_]:
            return ""
        case []:
            return "nobody has its name or MAC address there; replicate it, or enter it with its id"
        case _:
            return "several look like it; enter the right one with its id"


def _moment(text: str) -> datetime | UnsetType:
    if not text:
        return UNSET
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found
    raise typer.BadParameter(f"{text} is no moment as RFC 3339 writes it: 2026-01-31T23:59:00Z")


def _addresses(texts: list[str]) -> tuple[IPAddress, ...]:
    try:
        return tuple(ip_address(text) for text in texts)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
