"""The commands `causeway vault ...`: secrets, and the keys that seal them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causeway_controller.cli import errors, telling
from causeway_controller.cli.options import Json
from causeway_controller.commands import logins
from causeway_controller.commands.ending import CONFIG, settings_as_owner, told
from causeway_wire.types import Secret

vault = typer.Typer(no_args_is_help=True)

_NAME = typer.Argument(metavar="NAME", help="Such as hypervisor/esx1/password.")
_NUMBER = typer.Argument(metavar="NUMBER", help="The key's number.", min=1)
User = Annotated[str | None, typer.Option("--user", metavar="USER", help="Such as causeway@vsphere.local.")]
Config = Annotated[Path | None, CONFIG]


@vault.command("list")
def list_(config: Config = None, *, json_wanted: Json = False) -> None:
    """Name the secrets that were entered; never their values."""
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        found = upkeep.secret_names(settings_as_owner(config))
    if json_wanted:
        telling.as_json([{"name": one.name, "key": one.key, "at": one.at.isoformat()} for one in found])
    else:
        for entry in found:
            typer.echo(f"{entry.name}\tkey {entry.key}\t{entry.at:%Y-%m-%d %H:%M} UTC")


@vault.command()
def put(
    name: Annotated[str, _NAME], user: User = None, config: Config = None, *, json_wanted: Json = False
) -> None:
    """Keep a secret, in place of the one of this name; typed unseen, or all of standard input.

    With `--user` it is a login of two lines, as hosts need it: then only the password is asked for.
    """
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        settings = settings_as_owner(config)
        value = Secret(logins.given("Secret")) if user is None else logins.of_user(user)
        if not value.reveal().strip():
            telling.end("the secret is empty; nothing was kept", errors.USAGE)
        upkeep.put_secret(settings, name, value)
    _say({"name": name, "kept": True}, f"{name}: kept", json_wanted=json_wanted)


@vault.command()
def remove(name: Annotated[str, _NAME], config: Config = None, *, json_wanted: Json = False) -> None:
    """Forget a secret."""
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        upkeep.remove_secret(settings_as_owner(config), name)
    _say({"name": name, "kept": False}, f"{name}: not there any more", json_wanted=json_wanted)


@vault.command()
def keys(config: Config = None, *, json_wanted: Json = False) -> None:
    """Show the master keys, and how many secrets each seals."""
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        found = upkeep.keys(settings_as_owner(config))
    if json_wanted:
        telling.as_json(
            [{"number": one.number, "secrets": one.secrets, "newest": one.newest} for one in found]
        )
    else:
        for key in found:
            what = "seals what is entered" if key.newest else "can be dropped" if not key.secrets else "old"
            typer.echo(f"key {key.number}\t{key.secrets} secrets\t{what}")


@vault.command("add-key")
def add_key(config: Config = None, *, json_wanted: Json = False) -> None:
    """Add a master key to the file of keys. The newest seals, the others still open."""
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        number = upkeep.add_key(settings_as_owner(config))
    words = (
        f"key {number}: added. Give the file to every controller and start them again,\n"
        "then `causeway vault reseal`, and `causeway vault drop-key` for the old one."
    )
    _say({"number": number, "added": True}, words, json_wanted=json_wanted)


@vault.command()
def reseal(config: Config = None, *, json_wanted: Json = False) -> None:
    """Seal every secret with the newest master key. It may be ended at any time and done again."""
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        done = upkeep.reseal(settings_as_owner(config))
    found = {"resealed": done.count, "broken": [str(error) for error in done.broken]}
    _say(found, f"{done.count} secrets sealed anew", json_wanted=json_wanted)
    for error in done.broken:
        telling.note(str(error))
    if done.broken:
        raise typer.Exit(1)


@vault.command("drop-key")
def drop_key(number: Annotated[int, _NUMBER], config: Config = None, *, json_wanted: Json = False) -> None:
    """Have the store forget a master key that seals nothing any more."""
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        upkeep.drop_key(settings_as_owner(config), number)
    words = (
        f"key {number}: dropped. Take its line out of the file of keys; backups made before need it,\n"
        "so keep a copy, away from them, for as long as you keep them."
    )
    _say({"number": number, "dropped": True}, words, json_wanted=json_wanted)


def _say(value: dict[str, object], words: str, *, json_wanted: bool) -> None:
    if json_wanted:
        telling.as_json(value)
    else:
        typer.echo(words)
