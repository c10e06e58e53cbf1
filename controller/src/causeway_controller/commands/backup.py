"""The commands `causeway backup` and `causeway restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causeway_controller.cli import telling
from causeway_controller.cli.options import Json
from causeway_controller.commands.ending import CONFIG, read_settings, settings_as_owner, told

_FILE = typer.Argument(metavar="FILE", help="The backup.")


def backup(
    file: Annotated[Path, _FILE],
    config: Annotated[Path | None, CONFIG] = None,
    *,
    json_wanted: Json = False,
) -> None:
    """Write all that the controller remembers into a new file, while it runs.

    Secrets in it are sealed; the keys of the vault are not in it: keep a copy of them elsewhere. A backup
    may be restored into SQLite or PostgreSQL, by this version or a newer one.
    """
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    with told():
        made = upkeep.back_up(read_settings(config), file)
    if json_wanted:
        counts = {"rows": made.end.rows, "tables": len(made.tables), "sha256": made.end.sha256}
        telling.as_json({"file": str(file), **counts})
    else:
        typer.echo(f"{file}: {made.end.rows} rows of {len(made.tables)} tables, SHA-256 {made.end.sha256}")


def restore(
    file: Annotated[Path, _FILE],
    config: Annotated[Path | None, CONFIG] = None,
    *,
    json_wanted: Json = False,
) -> None:
    """Fill the empty store that the settings name with a backup.

    Numbers of documents and failovers are raised, so that appliances take what the controller sends. Tokens,
    certificates and secrets that were taken back after the backup count again: take them back once more. An
    appliance that serves a failover which the backup knows nothing of goes on with it, until you say
    `causeway appliance deploy --overrule`.
    """
    from causeway_controller.app import upkeep  # noqa: PLC0415 - it takes half a second

    # Root made the backup, and the controller's user, as whom the store is filled, may not read it.
    with told(), upkeep.opened(file) as source:
        held = upkeep.restore(settings_as_owner(config), source)
    if json_wanted:
        head = held.header
        made = {"made": head.made.isoformat(), "program": head.program}
        telling.as_json({"file": str(file), "rows": held.end.rows, **made})
        return
    made_by = f"{held.header.made:%Y-%m-%d %H:%M} UTC by Causeway {held.header.program}"
    typer.echo(f"{file}: {held.end.rows} rows restored, as they were at {made_by}")
    typer.echo("Ask again for failovers that were begun since: `causeway status` names them.")
    typer.echo("Take back again what was taken back since: `causeway audit list` of the old store says what.")
