"""The command `provider`: a tenant's side of joining."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import UNSET

from causeway_controller import system_words
from causeway_controller.cli import errors, telling
from causeway_controller.cli.connection import Reply
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import joining, member_routes
from causeway_controller.contract.joining import AcceptInvitation, ProviderReport, Providers
from causeway_controller.contract.tenant_view import TenantResources
from causeway_wire.types import Secret

provider = typer.Typer(no_args_is_help=True)
_PROVIDER = typer.Argument(metavar="PROVIDER", help="As `causeway provider list` shows it.")


@provider.command()
def join(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Holds the invitation; - reads standard input.")
    ],
    *,
    name: Annotated[
        str, typer.Option(help="What the provider is called here; else as its host.", show_default=False)
    ] = "",
    json_wanted: Json = False,
) -> None:
    """Accept a provider's invitation. After no answer, repeat it with the same one."""
    with telling.told(json_wanted=json_wanted):
        line = _line(file)
        invitation = joining.read(line)
        telling.note(f"{invitation.url} invites {invitation.tenant}; its key is {invitation.pins[0]}")
        asked = AcceptInvitation(invitation=Secret(line), name=name or UNSET)
        reply = client(context).ask(member_routes.JOIN_PROVIDER, body=asked)
    _tell(reply, json_wanted=json_wanted)


@provider.command("list")
def list_providers(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Providers: name, who one is there, how one stands, where, and what is wrong."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.PROVIDERS)
    if json_wanted:
        telling.as_json(reply.value)
        return
    telling.table(
        (
            (one.name, one.tenant, one.state, one.url, one.trouble or "")
            for one in reply.read(Providers).providers
        ),
        ("provider", "tenant", "state", "url", "trouble"),
    )


@provider.command()
def show(context: typer.Context, name: Annotated[str, _PROVIDER], *, json_wanted: Json = False) -> None:
    """How one stands with a provider, and the keys that both know each other by."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.PROVIDER, {"provider": name})
    _tell(reply, json_wanted=json_wanted)


@provider.command()
def rescan(context: typer.Context, name: Annotated[str, _PROVIDER], *, json_wanted: Json = False) -> None:
    """Ask the provider now, rather than when it tells of a change."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.RESCAN_PROVIDER, {"provider": name})
    _tell(reply, json_wanted=json_wanted)


@provider.command()
def resources(context: typer.Context, name: Annotated[str, _PROVIDER], *, json_wanted: Json = False) -> None:
    """What is this tenant's at the provider: gateways, networks, replicas, plans, addresses, open runs."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.PROVIDER_RESOURCES, {"provider": name})
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(TenantResources)
    rows: list[tuple[str, object, object]] = [
        ("network", one.id, "no partial failover" if one.tunnel is UNSET else f"tunnel {one.tunnel}")
        for one in found.networks
    ]
    now = datetime.now(UTC)
    rows += [
        ("replica", one.vm, f"{one.network} at {one.host}, {telling.as_of(one.restored_to, now=now)}")
        for one in found.replicas
    ]
    rows += [("plan", one.id, telling.counted(len(one.vms), "VM")) for one in found.plans]
    rows += [("public address", address, "") for address in found.public_addresses]
    rows += [("open run", one, "") for one in found.open_runs]
    if found.gateways:
        ends = ", ".join(map(str, found.gateways.addresses))
        rows.append(("gateways", found.gateways.name, f"{ends} port {found.gateways.port}"))
    telling.table(rows, ("what", "which", "about"))


@provider.command()
def leave(
    context: typer.Context,
    name: Annotated[str, _PROVIDER],
    *,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Although a failover relies on it, or it cannot be told: then tell it otherwise."
        ),
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Leave a provider: it knows this controller no more, and this one forgets it."""
    query = {"force": "true"} if force else {}
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.LEAVE_PROVIDER, {"provider": name}, query=query)
    if json_wanted:
        telling.as_json(reply.value)
    else:
        typer.echo(f"{name} is left.")


def _line(file: str) -> str:
    if file == "-":
        return sys.stdin.read().strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.UsageError(
            f"the invitation in {file} cannot be read ("
            f"{system_words.why(error)}); give the file that the provider sent, or - for standard input"
        ) from error


def _tell(reply: Reply, *, json_wanted: bool) -> None:
    if json_wanted:
        telling.as_json(reply.value)
        return
    one = reply.read(ProviderReport)
    rows: list[tuple[str, object]] = [
        ("provider", one.name),
        ("url", one.url),
        ("tenant", one.tenant),
        ("state", one.state),
        *(("its key", key) for key in one.keys),
        ("own key", one.own_key),
    ]
    if one.seen:
        rows.append(("answered last", f"{one.seen:%Y-%m-%d %H:%M:%S} UTC"))
    if one.trouble:
        rows.append(("trouble", one.trouble))
    telling.table(rows, ("what", "which"))
