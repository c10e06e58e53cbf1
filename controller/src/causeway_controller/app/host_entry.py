"""A host of VMs entered into the inventory: looked at, its login kept, and nothing changed before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from causeway_controller.app import upkeep
from causeway_controller.app.hosting import masking
from causeway_controller.app.serving import utc_now
from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import HypervisorError, Inspecting, log_out
from causeway_controller.hypervisors.findings import good, masked
from causeway_controller.inventory import host_needs
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_controller.settings import Settings
from causeway_controller.store.inventories import Inventories, Stored
from causeway_controller.store.secrets import Secrets
from causeway_controller.workflows.host_checks import SECONDS, refused
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What came of it."""

    findings: tuple[Finding, ...]
    entered: bool
    may: bool
    """Whether it is entered, or in a dry run would be."""
    revision: int
    """Of the inventory in force."""


def verify(settings: Settings, host: Host) -> None:
    """Raise ProblemError unless the inventory could have this host; StartError, StoreError."""
    with upkeep.stored(settings) as database:
        inventories = Inventories(database, now=utc_now)
        _candidate(inventories, inventories.load(), host)


def add(
    settings: Settings, host: Host, login: Secret | None, *, anyway: bool = False, dry: bool = False
) -> Entered:
    """Look at the host, then keep its login and enter it, unless there is a problem or it is `dry`.

    `login`: none where the vault has it. `anyway`: also with problems. May be repeated after it was killed,
    and where somebody else changed the inventory meanwhile. Raises ProblemError, StartError, StoreError,
    SealBroken.
    """
    with upkeep.stored(settings) as database:
        inventories = Inventories(database, now=utc_now)
        before = inventories.load()
        inventory, given = _candidate(inventories, before, host)
        kept = upkeep.vault_in(settings, database)
        if host.login is not UNSET and login is None:
            login = kept.get(host.login)
        elif host.login is not UNSET and login is not None:
            _refuse_foreign(before.inventory, kept, host, host.login, login)
        needs = host_needs.of_host(inventory, given, host.id)
        found = masked(asyncio.run(_looked_at(settings, host, login, needs)), masking(login))
        may = anyway or all(one.grade is not Grade.PROBLEM for one in found)
        if dry or not may:
            return Entered(findings=found, entered=False, may=may, revision=before.revision)
        # Its history tells of changes only.
        if host.login is not UNSET and login is not None and _held(kept, host.login) != login:
            kept.put(host.login, login, actor=upkeep.actor())
        after = inventories.replace(inventory, expected=before.revision, actor=upkeep.actor())
        return Entered(findings=found, entered=True, may=True, revision=after.revision)


def _candidate(inventories: Inventories, before: Stored, host: Host) -> tuple[Inventory, Allocation]:
    """The inventory with this host, and what tenants have then. Raises ProblemError."""
    there = before.inventory.hosts
    for place, one in enumerate(there):
        if one.id == host.id and one != host:
            detail = f"the inventory has another host {host.id}; change it there, or take another name"
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer=f"/hosts/{place}/id"))
        if one.id != host.id and host.login is not UNSET and one.login == host.login:
            detail = f"secret {host.login} is the login of host {one.id}; name another with --login"
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer=f"/hosts/{len(there)}/login"))
    if host in there:
        return before.inventory, before.allocation
    inventory = msgspec.structs.replace(before.inventory, hosts=(*there, host))
    return inventory, inventories.tried(inventory, before=before)


def _refuse_foreign(inventory: Inventory, kept: Secrets, host: Host, name: Name, login: Secret) -> None:
    """Raise ProblemError where the vault has another secret of this name, which is not this host's.

    It may be a hook's, or of a host that is about to be entered.
    """
    if host in inventory.hosts or _held(kept, name) in {None, login}:
        return
    detail = (
        f"the vault has another secret {name}, which is no login of this host; name another with --login, "
        f"or remove that one with `causeway vault remove {name}`"
    )
    raise ProblemError(problem(ProblemType.INVALID, detail, pointer=f"/hosts/{len(inventory.hosts)}/login"))


def _held(kept: Secrets, name: Name) -> Secret | None:
    """The vault's secret of this name; None where it has none."""
    return kept.get(name) if any(one.name == name for one in kept.entries()) else None


async def _looked_at(
    settings: Settings, host: Host, login: Secret | None, needs: HostNeeds
) -> tuple[Finding, ...]:
    try:
        provider = hosts.provider(host, login, image=settings.image)
    except HypervisorError as error:
        return (refused(error),)
    try:
        if not isinstance(provider, Inspecting):
            text = f"hosts of kind {host.kind.value} cannot be looked at"
            return (Finding(topic=Topic.REACHED, grade=Grade.UNKNOWN, text=text),)
        async with asyncio.timeout(SECONDS):
            return (
                good(Topic.REACHED, f"{host.endpoint} answers"),
                *(await provider.inspect(needs)).findings,
            )
    except HypervisorError as error:
        return (refused(error),)
    except TimeoutError:
        text = f"host {host.id} did not answer everything within {SECONDS:.0f} s"
        return (refused(HypervisorError(text)),)
    finally:
        await log_out(provider)
