"""The real machine behind the two commands."""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from causeway_agent.backends.host import hardware
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.backends.processes import lock
from causeway_agent.errors import BackendError
from causeway_agent.first_boot import carriers, console, rendering
from causeway_agent.first_boot.boot import FirstBoot
from causeway_agent.first_boot.carrier import Carrier
from causeway_agent.first_boot.importer import Importer, Place
from causeway_agent.plan.model.target import Facts
from causeway_agent.settings import Settings

LOCK = "first-boot"


def boot(options: argparse.Namespace, say: Callable[[str], None]) -> FirstBoot:
    """First boot as the options ask for it."""
    return FirstBoot(
        importer=importer(options),
        sources=carriers.of_this_machine(options.carrier or tuple(Carrier)),
        say=say,
        pause=time.sleep,
        render=functools.partial(_render, machine=options.machine),
    )


def importer(options: argparse.Namespace) -> Importer:
    state = Path(options.state_directory)
    return Importer(
        state=DirectoryStorage(state),
        etc=DirectoryStorage(options.settings.parent),
        settings=options.settings.name,
        place=Place(
            state_directory=options.state_directory,
            run_directory=options.run_directory,
            vpn_user=options.vpn_user or None,
        ),
        facts=_facts,
        now=lambda: datetime.now(UTC),
        alone=lambda: _alone(state),
    )


def _facts() -> Facts:
    return Facts(
        appliance="",
        devices=hardware.adapters(),
        vpn_uid=None,
        key_directory="",
        run_directory="",
        vlan_8021q=hardware.makes_vlans(),
    )


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """No agent runs meanwhile. Raises HeldError or BackendError."""
    with contextlib.ExitStack() as stack:
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(lock.hold(state, LOCK))
        except OSError as error:
            raise BackendError(f"use {state}", error.strerror or str(error)) from error
        yield


def console_page(options: argparse.Namespace) -> None:
    """Show the console's page, for ever unless asked for once."""
    subject = console.Subject(settings=options.settings, run_directory=Path(options.run_directory))
    if options.once:
        console.show_once(subject, terminals=options.terminals, issue=options.issue)
    else:
        console.show(subject, terminals=options.terminals, issue=options.issue, pause=time.sleep)


def _render(settings: Settings, *, machine: bool) -> None:
    rendering.render(settings)
    if machine:
        rendering.render_machine(settings)
