"""The command `appliance`: the appliances of this site, as the inventory needs them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated

import typer
from msgspec import UNSET, UnsetType

from causeway_controller import yaml_text
from causeway_controller.cli import errors, fleet_update, redeploying, retiring, telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import host_routes, member_routes, routes
from causeway_controller.contract.appliances import ApplianceReport, ApplianceReports, DeployedAppliance
from causeway_controller.contract.change import AppliancesNeeded
from causeway_controller.contract.hosts import HostVms
from causeway_controller.contract.tenant_view import NetworkView, TenantResources
from causeway_wire.desired import Extension
from causeway_wire.types import VmName

Tenant = Annotated[str, typer.Argument(metavar="TENANT", show_default=False)]
Host = Annotated[str, typer.Argument(metavar="HOST", show_default=False)]

appliance = typer.Typer(no_args_is_help=True)


@appliance.command()
def needed(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Appliances that the inventory needs: tenant, host, and their vNICs."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.APPLIANCES)
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(AppliancesNeeded)
    telling.table(
        ((one.tenant, one.host, len(one.adapters), ", ".join(one.adapters)) for one in found.appliances),
        ("tenant", "host", "vnics", "adapters"),
    )


@appliance.command()
def proposed(
    context: typer.Context,
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="As `causeway provider list` shows it.")
    ],
    *,
    on: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="HOST",
            help="A host of this site's inventory with production's VMs, whose port groups are put in.",
        ),
    ] = "",
    json_wanted: Json = False,
) -> None:
    """At a tenant's controller: an appliance for each network that the provider extends, to be completed.

    What is printed is a part of the inventory. Host, port group and address are this site's own: put them in.
    """
    with telling.told(json_wanted=json_wanted):
        site = client(context)
        found = site.ask(member_routes.PROVIDER_RESOURCES, {"provider": provider}).read(TenantResources)
        vms = site.ask(host_routes.HOST_VMS, {"host": on}).read(HostVms) if on else None
    part = {"production": [{"id": provider, "tenant": found.tenant, "networks": proposal(found, vms)}]}
    if json_wanted:
        telling.as_json(part)
        return
    typer.echo(yaml_text.write(part), nl=False)
    telling.note("a network whose `appliance` is left out has no partial failover; full failover needs none")


def proposal(found: TenantResources, vms: HostVms | None = None) -> list[dict[str, object]]:
    """Return the tenant's networks for the inventory of its site, each with what is to be completed.

    `vms`: of the host that the appliances are to be on, where production's are.
    """
    return [
        {
            "id": one.id,
            "prefixes": [str(prefix) for prefix in one.prefixes],
            "gateways": [str(gateway) for gateway in one.gateways],
            **_appliance(one, vms, {each.vm for each in found.replicas if each.network == one.id}),
        }
        for one in found.networks
    ]


def _appliance(network: NetworkView, vms: HostVms | None, there: Collection[VmName]) -> dict[str, object]:
    """The appliance of a network that could be failed over partially: not of one that hosts of the provider's
    extend in different ways.
    """
    ways = {one.extension for one in network.at}
    if network.tunnel is UNSET or len(ways) > 1:
        return {}
    own = {
        "host": "HOST" if vms is None else vms.host,
        "network": (None if vms is None else detected(vms, there)) or "PORT-GROUP",
        "address": {"assignment": "static", "addresses": ["A/N"]},
    }
    return {"appliance": own | ({"extension": "bridged"} if Extension.BRIDGED in ways else {})}


def detected(vms: HostVms, names: Collection[VmName]) -> str | None:
    """Return the host's network that all its VMs of these names are in; None where that is not one."""
    networks = [{nic.network for nic in one.nics if nic.network} for one in vms.vms if one.name in names]
    shared = set.intersection(*networks) if networks else set[str]()
    return shared.pop() if len(shared) == 1 else None


@appliance.command("list")
def list_appliances(context: typer.Context, *, json_wanted: Json = False) -> None:
    """A line for each deployed appliance, the worst first. Exit code 1 when anything is wrong with one."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.DEPLOYED_APPLIANCES)
    found = reply.read(ApplianceReports).appliances
    if json_wanted:
        telling.as_json(reply.value)
    else:
        telling.table(
            (
                (
                    one.tenant or "-",
                    one.host or one.appliance,
                    one.condition,
                    one.mode or "-",
                    one.agent or "-",
                    _moment(one.seen),
                    one.trouble,
                )
                for one in found
            ),
            ("tenant", "host", "condition", "mode", "version", "seen", "trouble"),
        )
    if any(one.trouble for one in found):
        raise typer.Exit(errors.REFUSED)


@appliance.command()
def show(context: typer.Context, tenant: Tenant, host: Host, *, json_wanted: Json = False) -> None:
    """How an appliance was when it was asked last. Exit code 1 when something is wrong with it."""
    show_one(context, routes.APPLIANCE, {"tenant": tenant, "host": host}, json_wanted=json_wanted)


def show_one(
    context: typer.Context, route: routes.Route, places: dict[str, str], *, json_wanted: bool
) -> None:
    """Print how an appliance or a gateway was. Raises Exit where something is wrong with it."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(route, places)
    found = reply.read(ApplianceReport)
    if json_wanted:
        telling.as_json(reply.value)
    else:
        typer.echo(yaml_text.write(reply.value), nl=False)
    if found.trouble:
        raise typer.Exit(errors.REFUSED)


@appliance.command()
def deploy(
    context: typer.Context,
    tenant: Tenant,
    host: Host,
    *,
    overrule: Annotated[
        bool,
        typer.Option(
            "--overrule", help="End what it serves and this controller knows nothing of: see `restore`."
        ),
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Deploy the tenant's appliance on the host, enrol and configure it. What is so already stays.

    It takes as long as the machine boots. Interrupted or failed, it goes on where it was when it is repeated.
    """
    with telling.told(json_wanted=json_wanted):
        asked = {"overrule": "true"} if overrule else {}
        reply = client(context).ask(routes.ENSURE_APPLIANCE, {"tenant": tenant, "host": host}, query=asked)
    if json_wanted:
        telling.as_json(reply.value)
    else:
        found = reply.read(DeployedAppliance)
        typer.echo(f"{found.appliance} runs on {found.host}, is enrolled and has its document.")


appliance.command("update")(fleet_update.update)


@appliance.command()
def rotate(
    context: typer.Context,
    tenant: Tenant,
    host: Host,
    *,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Refuse the certificates before it from now on.")
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Give an appliance a new key and certificate now. By itself that is done long before they end."""
    asked = {"revoke": "true"} if revoke else {}
    done = _asked(context, routes.ROTATE_APPLIANCE, tenant, host, asked, json_wanted=json_wanted)
    _say(f"{done} has a new key and certificate.", json_wanted=json_wanted)


appliance.command("redeploy")(redeploying.appliance)
appliance.command("retire")(retiring.appliance)


def _asked(
    context: typer.Context,
    route: routes.Route,
    tenant: str,
    host: str,
    query: dict[str, str],
    *,
    json_wanted: bool,
) -> str:
    """Have it done; the appliance's name."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(route, {"tenant": tenant, "host": host}, query=query)
    if json_wanted:
        telling.as_json(reply.value)
    return reply.read(DeployedAppliance).appliance


def _say(words: str, *, json_wanted: bool) -> None:
    if not json_wanted:
        typer.echo(words)


def _moment(found: datetime | UnsetType) -> str:
    return f"{found:%Y-%m-%d %H:%M:%S}" if isinstance(found, datetime) else "-"
