"""The command `explain`: why a packet does or does not get from A to B."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from causeway_controller.cli import errors, telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import explain_routes
from causeway_controller.contract.explain import Leg, PathAnswer


def explain(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="A", help="Address that sends, or a VM's name.", show_default=False)
    ],
    destination: Annotated[
        str, typer.Argument(metavar="B", help="Address it is for, or a VM's name.", show_default=False)
    ],
    kind: Annotated[
        str, typer.Argument(metavar="[PROTO]", help="tcp, udp, icmp or icmp-error.", show_default=False)
    ] = "",
    port: Annotated[str, typer.Argument(metavar="[PORT]", help="Of B.", show_default=False)] = "",
    *,
    tenant: Annotated[str, typer.Option(help="Where several tenants have them.", show_default=False)] = "",
    host: Annotated[str, typer.Option(help="Where it is on several hosts.", show_default=False)] = "",
    json_wanted: Json = False,
) -> None:
    """Say what carries or stops a packet from A to B, on its whole way, and what to do.

    A VM is named as the inventory calls it, as TENANT/VM where several tenants have one of this name, or by
    the id of its replica; which address was taken is told. Nothing is changed and no packet is
    sent. Exit code 1 when it is stopped.
    """
    asked = {"source": source, "destination": destination, "kind": kind, "port": port}
    asked |= {"tenant": tenant, "host": host}
    query = {name: value for name, value in asked.items() if value}
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(explain_routes.EXPLAIN, query=query)
    found = reply.read(PathAnswer)
    if json_wanted:
        telling.as_json(reply.value)
    else:
        for line in _lines(found):
            typer.echo(line)
    if found.works is False:
        raise typer.Exit(errors.REFUSED)


def _lines(found: PathAnswer) -> Iterator[str]:
    yield f"{found.verdict.removesuffix('.')}."
    if found.advice and found.advice not in found.verdict:
        yield f"Next: {found.advice}"
    for one in found.named:
        also = f" (also {', '.join(map(str, one.also))})" if one.also else ""
        who = "" if one.name == one.vm else f"VM {one.vm}, "
        yield f"{one.name} is {who}{one.address} of tenant {one.tenant}{also}."
    yield f"Tenant {found.tenant} on host {found.host} is in mode {found.mode}."
    for leg in found.legs:
        yield from _leg(leg)


def _leg(leg: Leg) -> Iterator[str]:
    mark = {True: "ok  ", False: "STOP", None: "?   "}[leg.passes]
    yield f"{mark} {leg.where}: {leg.verdict}"
    for stage in leg.stages:
        yield f"       {'ok  ' if stage.passes else 'STOP'} {stage.stage}: {stage.text}"
