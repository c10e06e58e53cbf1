"""The commands `tenant invite`, `tenant expel`, `invitation` and `member`: a provider's side of joining."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from causeway_controller import files
from causeway_controller.cli import telling
from causeway_controller.cli.connection import Reply
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import member_routes
from causeway_controller.contract.joining import (
    InvitationReport,
    Invitations,
    MadeInvitation,
    MemberReport,
    Members,
    NewInvitation,
)

invitation = typer.Typer(no_args_is_help=True)
member = typer.Typer(no_args_is_help=True)


def invite(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT")],
    *,
    hours: Annotated[int, typer.Option(min=1, max=720, help="Until it expires.")] = 24,
    output: Annotated[
        Path | None, typer.Option(help="A new file for it, which only you may read; else it is printed.")
    ] = None,
    json_wanted: Json = False,
) -> None:
    """Invite a tenant's controller. The line is shown this once; give it away as you would a password."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.INVITE, {"tenant": tenant}, body=NewInvitation(hours=hours))
    made = reply.read(MadeInvitation)
    if made.replaces:
        telling.note(f"{tenant} has a controller; it is out once another one has accepted this")
    if output is not None:
        _write(output, made.text)
    if json_wanted:
        telling.as_json(reply.value)
        return
    until = f"until {made.invitation.expires:%Y-%m-%d %H:%M} UTC"
    telling.note(f"invitation {made.invitation.id} of {tenant}, {until}, for one controller")
    typer.echo(made.text if output is None else str(output))


def expel(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT")],
    *,
    json_wanted: Json = False,
) -> None:
    """Put a tenant's controller out, at once, and revoke the tenant's invitations."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.EXPEL, {"tenant": tenant})
    if json_wanted:
        telling.as_json(reply.value)
    else:
        key = reply.read(MemberReport).key
        typer.echo(f"The controller of {tenant} with key {key} is out; `causeway tenant invite` lets one in.")


@invitation.command("list")
def list_invitations(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Invitations: identifier, tenant, what became of it, by whom, the key that accepted it."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.INVITATIONS)
    if json_wanted:
        telling.as_json(reply.value)
        return
    now = datetime.now(UTC)
    telling.table(
        (
            (one.id, one.tenant, _state(one, now), one.made_by, one.key or "")
            for one in reply.read(Invitations).invitations
        ),
        ("invitation", "tenant", "state", "made by", "key"),
    )


@invitation.command("revoke")
def revoke_invitation(
    context: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="INVITATION", help="As the list shows it.")],
    *,
    json_wanted: Json = False,
) -> None:
    """Let nobody accept an invitation any more. Who has accepted it stays; `tenant expel` puts them out."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.REVOKE_INVITATION, {"invitation": identifier})
    if json_wanted:
        telling.as_json(reply.value)
    else:
        tenant = reply.read(InvitationReport).tenant
        typer.echo(f"Nobody is let in by invitation {identifier} of {tenant} any more.")


@member.command("list")
def list_members(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Tenants' controllers: when they joined, asked last, their certificate ends, and their key."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.MEMBERS)
    _tell(reply, json_wanted=json_wanted)


@member.command("announce-key")
def announce_key(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Make the next key that members know this provider by, and tell it to them as they ask."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.ANNOUNCE_KEY)
    _tell(reply, json_wanted=json_wanted)


@member.command("use-key")
def use_key(
    context: typer.Context,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Although some do not know it: invite these anew.")
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Show the next key from now on, and destroy the one before. Refused while a member does not know it."""
    with telling.told(json_wanted=json_wanted):
        query = {"force": "true"} if force else {}
        reply = client(context).ask(member_routes.SWITCH_KEY, query=query)
    _tell(reply, json_wanted=json_wanted)


@member.command("replace-authority")
def replace_authority(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Replace the authority of members' certificates. They renew by themselves; then the old one goes."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(member_routes.REPLACE_AUTHORITY)
    _tell(reply, json_wanted=json_wanted)


def _tell(reply: Reply, *, json_wanted: bool) -> None:
    if json_wanted:
        telling.as_json(reply.value)
        return
    found = reply.read(Members)
    telling.note(f"served at {found.url}, known by key {found.key}")
    if found.next_key:
        telling.note(f"next key {found.next_key}; `causeway member use-key` once all know it")
    telling.table(
        (
            (
                one.tenant,
                f"{one.joined:%Y-%m-%d}",
                f"{one.seen:%Y-%m-%d %H:%M}" if one.seen else "never",
                f"revoked {one.revoked:%Y-%m-%d}" if one.revoked else f"{one.ends:%Y-%m-%d}",
                ("yes" if one.knows_next_key else "no") if found.next_key else "",
                one.key,
            )
            for one in found.members
        ),
        ("tenant", "joined", "asked last", "ends", "knows next", "key"),
    )


def _state(one: InvitationReport, now: datetime) -> str:
    alarm = f", {telling.counted(one.alarms, 'alarm')}" if one.alarms else ""
    if one.revoked:
        return f"revoked{alarm}"
    if one.accepted:
        return f"accepted {one.accepted:%Y-%m-%d %H:%M}{alarm}"
    return "expired" if one.expires <= now else f"until {one.expires:%Y-%m-%d %H:%M}"


def _write(path: Path, line: str) -> None:
    try:
        files.create(path, line.encode() + b"\n", mode=files.PRIVATE)
    except OSError as error:
        telling.note(f"{path} cannot be made ({error.strerror}); here is the line")
        typer.echo(line)
        raise typer.Exit(1) from error
