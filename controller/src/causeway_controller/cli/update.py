"""The command `causeway update`: an update file to one appliance, and the outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from causeway_controller import system_words
from causeway_controller.cli import telling
from causeway_controller.cli.options import Json
from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.fleet import client, update_file, updates
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.problem import ProblemError
from causeway_wire.update import UpdateStatus

PORT = 8443


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """An appliance, and who we are to it."""

    appliance: str
    address: str
    port: int
    certificate: Path
    key: Path
    authority: Path

    def open(self) -> client.AgentClient:
        """Its client; raises StoreError."""
        try:
            identity = ControllerIdentity(
                certificate=self.certificate, key=self.key, authority=self.authority.read_text()
            )
            return client.open_agent(
                appliance=self.appliance, address=ip_address(self.address), port=self.port, identity=identity
            )
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the certificates or the key to show cannot be read ({system_words.why(error)}); look at "
                f"{self.certificate}, {self.key} and {self.authority}"
            ) from error


def update(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="causeway-VERSION.update")],
    *,
    appliance: Annotated[str, typer.Option(help="Name in the appliance's certificate.")],
    address: Annotated[str, typer.Option(help="Its management address.")],
    certificate: Annotated[Path, typer.Option(help="The controller's certificate (PEM).")],
    key: Annotated[Path, typer.Option(help="The controller's private key (PEM).")],
    authority: Annotated[Path, typer.Option(help="Authority of the agents' certificates (PEM).")],
    port: Annotated[int, typer.Option(help="The agent's.")] = PORT,
    tries: Annotated[int, typer.Option(min=1, max=5, help="Starts without becoming healthy.")] = 3,
    seconds: Annotated[
        int, typer.Option(min=30, max=3600, help="From the kernel's start until it must be healthy.")
    ] = 300,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Also a system that is older than the one that runs.")
    ] = False,
    json_wanted: Json = False,
) -> None:
    """Exchange the system of an appliance. The networks it carries are interrupted while it restarts.

    What does not become healthy gives way to the system that runs now, by itself; then this ends with exit
    code 1. Repeating it is safe, whatever happened in between.
    """
    where = Where(
        appliance=appliance, address=address, port=port, certificate=certificate, key=key, authority=authority
    )
    try:
        status = asyncio.run(_update(file, where, tries=tries, seconds=seconds, allow_older=allow_older))
    except (ControllerError, ProblemError) as error:
        telling.end(str(error), 1)
    running = status.report(status.running).version
    if json_wanted:
        telling.as_json({"appliance": appliance, "version": running, "slot": status.running})
    else:
        typer.echo(f"{appliance} runs {running} in slot {status.running}.")


async def _update(file: Path, where: Where, *, tries: int, seconds: int, allow_older: bool) -> UpdateStatus:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("sending", total=None)

        def tell(sent: int, octets: int) -> None:
            done = sent == octets
            words = "sent; being checked, then tried" if done else "sending"
            shown.update(task, completed=sent, total=octets, description=words)

        found = update_file.read(file, progress=tell)
        async with where.open() as agent:
            return await updates.install(
                agent,
                found,
                tries=tries,
                seconds=seconds,
                within=600.0 + tries * seconds,
                allow_older=allow_older,
            )
