"""The command `certificate`: what was issued, and what counts no more."""

from __future__ import annotations

from string import hexdigits
from typing import Annotated

import typer

from causeway_controller.cli import telling
from causeway_controller.cli.options import DryRun, Json, client
from causeway_controller.contract import certificate_routes, routes
from causeway_controller.contract.certificates import (
    Bearer,
    CertificateReport,
    Certificates,
    RevokeCertificate,
    Revoked,
)

certificate = typer.Typer(no_args_is_help=True)


def _serial(text: str) -> str:
    """In the form of the ledger; openssl shows it in capitals, with a leading zero or colons."""
    serial = text.replace(":", "").lower().lstrip("0")
    if not serial or set(serial) - set(hexdigits):
        raise typer.BadParameter(
            f"{text} is no serial number: hexadecimal, as `causeway certificate list` shows it"
        )
    return serial


Serial = Annotated[
    str,
    typer.Argument(metavar="SERIAL", help="In hexadecimal, as the list or openssl shows it.", parser=_serial),
]


@certificate.command("list")
def list_certificates(
    context: typer.Context,
    *,
    tenant: Annotated[
        str, typer.Option(help="Only of this tenant's tunnels and controller.", show_default=False)
    ] = "",
    bearer: Annotated[
        Bearer | None, typer.Option("--of", help="Only of those who show them as this.", show_default=False)
    ] = None,
    appliance: Annotated[str, typer.Option(help="Only of keys on this appliance.", show_default=False)] = "",
    valid: Annotated[bool, typer.Option("--valid", help="Only those that count.")] = False,
    revoked: Annotated[bool, typer.Option("--revoked", help="Only those that were revoked.")] = False,
    before: Annotated[
        int | None, typer.Option(min=0, help="Only certificates before this number.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=routes.PAGE, help="The most that are shown.")] = 100,
    json_wanted: Json = False,
) -> None:
    """Certificates, the newest first: number, serial number, whose, on which appliance or tunnel, until when.

    Gateways of one pool have one name.
    """
    query = {"limit": str(limit)}
    said = {"tenant": tenant, "appliance": appliance, "bearer": bearer or "", "cursor": before}
    query |= {name: str(value) for name, value in said.items() if value not in {"", None}}
    query |= {name: "true" for name, wanted in (("counts", valid), ("revoked", revoked)) if wanted}
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(certificate_routes.CERTIFICATES, query=query)
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(Certificates)
    telling.table(
        (
            (one.number, one.serial, one.bearer, one.name, _where(one), _standing(one))
            for one in found.certificates
        ),
        ("number", "serial", "of", "name", "appliance or tunnel", "counts"),
    )
    if not found.certificates and query.keys() <= {"limit", "tenant"} and tenant:
        telling.note(f"no certificate of {tenant} was issued here")
    if found.next:
        telling.note(f"there are more: causeway certificate list --before {found.next}")


@certificate.command()
def show(context: typer.Context, serial: Serial, *, json_wanted: Json = False) -> None:
    """One certificate: whose, until when, and who revoked it why."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(certificate_routes.CERTIFICATE, {"serial": serial})
    if json_wanted:
        telling.as_json(reply.value)
        return
    one = reply.read(CertificateReport)
    told = (
        ("serial", one.serial),
        ("of", f"{one.bearer} {one.name}"),
        ("appliance", one.appliance or ""),
        ("tenant", one.tenant or ""),
        ("tunnel", one.tunnel or ""),
        ("since", f"{one.begins:%Y-%m-%d %H:%M} UTC"),
        ("seen", f"{one.seen:%Y-%m-%d %H:%M} UTC" if one.seen else ""),
        ("counts", _standing(one)),
        ("by", one.revoked.actor if one.revoked else ""),
        ("why", one.revoked.reason if one.revoked else ""),
    )
    telling.table([row for row in told if row[1]], ("", ""))


@certificate.command()
def revoke(
    context: typer.Context,
    serial: Serial,
    *,
    reason: Annotated[str, typer.Option(help="For the ledger and the audit.", show_default=False)],
    dry_run: DryRun = False,
    json_wanted: Json = False,
) -> None:
    """Have a certificate, and all others of its key, refused from now on and for ever.

    It is written down at once; appliances are told by the controllers, again and again until they refuse it.
    """
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(
            certificate_routes.REVOKE_CERTIFICATE,
            {"serial": serial},
            query={"dry_run": "true"} if dry_run else {},
            body=RevokeCertificate(reason=reason),
        )
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(Revoked)
    for one in found.certificates:
        typer.echo(f"{one.serial} of {one.bearer} {one.name}: {_standing(one)}")
    for sentence in found.next:
        typer.echo(sentence)
    if dry_run:
        telling.note("nothing was changed")


def _where(one: CertificateReport) -> str:
    return " ".join(name for name in (one.appliance, one.tunnel) if name) or "-"


def _standing(one: CertificateReport) -> str:
    if one.revoked:
        return f"revoked {one.revoked.at:%Y-%m-%d %H:%M} UTC"
    return f"{'until' if one.state == 'counts' else 'ended'} {one.ends:%Y-%m-%d}"
