"""The commands `token` and `audit`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from msgspec import UNSET

from causeway_controller.cli import errors, telling
from causeway_controller.cli.options import Json, client
from causeway_controller.contract import routes
from causeway_controller.contract.access import Role
from causeway_controller.contract.audit import AuditRecords, AuditVerdict
from causeway_controller.contract.tokens import MadeToken, NewToken, Token, Tokens

token = typer.Typer(no_args_is_help=True)
audit = typer.Typer(no_args_is_help=True)


@token.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the audit calls who shows it.")],
    *,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    tenant: Annotated[str, typer.Option(help="Within this tenant only.", show_default=False)] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Until it expires.")] = 90,
    json_wanted: Json = False,
) -> None:
    """Make a token. Its secret is printed this once and kept nowhere."""
    asked = NewToken(name=name, role=role, tenant=tenant or UNSET, days=days)
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.MAKE_TOKEN, body=asked)
    if json_wanted:
        telling.as_json(reply.value)
        return
    made = reply.read(MadeToken)
    telling.note(f"token {made.token.id} of {_whose(made.token)}, until {made.token.expires:%Y-%m-%d}")
    typer.echo(made.secret)


@token.command("list")
def list_tokens(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Tokens: identifier, whose, until when."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.TOKENS)
    if json_wanted:
        telling.as_json(reply.value)
        return
    now = datetime.now(UTC)
    telling.table(
        (
            (one.id, one.name, one.role, one.tenant or "", _validity(one, now), one.made_by)
            for one in reply.read(Tokens).tokens
        ),
        ("token", "name", "role", "tenant", "valid", "made by"),
    )


@token.command()
def revoke(
    context: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="TOKEN", help="Its identifier, as the list shows it.")],
    *,
    json_wanted: Json = False,
) -> None:
    """Let nobody be known by a token any more."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.REVOKE_TOKEN, {"token": identifier})
    if json_wanted:
        telling.as_json(reply.value)
    else:
        typer.echo(f"Nobody is known by token {identifier} of {_whose(reply.read(Token))} any more.")


@audit.command("list")
def list_records(
    context: typer.Context,
    *,
    after: Annotated[int, typer.Option(min=0, help="Only records after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=routes.PAGE, help="The most that are shown.")] = 100,
    json_wanted: Json = False,
) -> None:
    """Records, the oldest first."""
    query = {"cursor": str(after), "limit": str(limit)}
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.AUDIT, query=query)
    if json_wanted:
        telling.as_json(reply.value)
        return
    records = reply.read(AuditRecords)
    telling.table(
        (
            (one.number, f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, one.action, one.subject, one.detail)
            for one in records.records
        ),
        ("number", "at (UTC)", "who", "what", "about", "detail"),
    )
    if records.next:
        telling.note(f"there are more: causeway audit list --after {records.next}")


@audit.command()
def verify(context: typer.Context, *, json_wanted: Json = False) -> None:
    """Check that every record is what was written. Exit code 1 when one is not."""
    with telling.told(json_wanted=json_wanted):
        reply = client(context).ask(routes.VERIFY_AUDIT)
    verdict = reply.read(AuditVerdict)
    if json_wanted:
        telling.as_json(reply.value)
    elif verdict.whole:
        typer.echo(f"All {telling.counted(verdict.number, 'record')} are what was written; the last hash is")
        typer.echo(verdict.hash)
    else:
        typer.echo(
            f"Record {verdict.broken_at} is not what was written: whoever wrote to the store did more."
        )
    if not verdict.whole:
        raise typer.Exit(errors.REFUSED)


def _whose(one: Token) -> str:
    return f"{one.role} {one.name}" + (f" of {one.tenant}" if one.tenant else "")


def _validity(one: Token, now: datetime) -> str:
    if one.revoked:
        return "revoked"
    return "expired" if one.expires <= now else f"until {one.expires:%Y-%m-%d}"
