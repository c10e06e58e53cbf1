"""What an engineer does about a host of VMs on the controller's own host, where the logins are.

Nothing here needs the controller to run, and all may be done while it does.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from msgspec import UNSET

from causeway_controller.app import upkeep
from causeway_controller.app.serving import utc_now
from causeway_controller.contract.provider import Host
from causeway_controller.contract.selftest import SelftestReport, SelftestStep
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import Progress, log_out
from causeway_controller.inventory import appliances, book, host_needs, production
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_controller.settings import Settings
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories, Stored
from causeway_controller.workflows.selftest import Selftest, owner_of
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, Secret, VlanId

_SHORTEST: Final = 4
"""Characters of a secret's line that is masked: shorter ones are in every sentence."""
_MASK: Final = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugs:
    """What a throw-away machine is plugged into; the inventory says it where both are empty."""

    networks: tuple[str, ...] = ()
    vlans: tuple[tuple[str, VlanId], ...] = ()


async def selftest(
    settings: Settings,
    name: Name,
    plugs: Plugs,
    *,
    clean: bool,
    tell: Callable[[SelftestStep], None],
    progress: Progress,
) -> SelftestReport:
    """Have a throw-away machine go through the host; or only remove what one has left.

    Raises ProblemError before anything is done, and HypervisorError, StartError, StoreError, SealBroken where
    nothing can be.
    """
    with upkeep.stored(settings) as database:
        stored = Inventories(database, now=utc_now).load()
        host = _host(stored, name)
        needs = replace(host_needs.of_host(stored.inventory, stored.allocation, name), replicas=())
        chosen = _chosen(plugs, needs, stored, clean=clean)
        login = _login(settings, database, host)
        provider = hosts.provider(host, login, image=settings.image)
        with _alone(settings, name):
            asked = Selftest(
                host=host,
                provider=provider,
                needs=needs,
                networks=chosen.networks,
                vlans=chosen.vlans,
                now=utc_now,
                tell=tell,
                progress=progress,
                hide=masking(login),
            )
            try:
                return await (asked.clean() if clean else asked.run())
            finally:
                await log_out(provider)


def masking(login: Secret | None) -> Callable[[str], str]:
    """Return what puts a mask in place of each line of this secret."""
    lines = () if login is None else (line.strip() for line in login.reveal().splitlines())
    longest_first = sorted((line for line in lines if len(line) >= _SHORTEST), key=len, reverse=True)

    def masked(text: str) -> str:
        for line in longest_first:
            text = text.replace(line, _MASK)
        return text

    return masked


def spare(needs: HostNeeds, given: Allocation) -> Iterator[tuple[str, VlanId]]:
    """Yield the last VLAN of each of the host's pools that no tenant has."""
    taken = {(lease.switch, lease.vlan) for lease in given.vlans}
    for pool in needs.pools:
        free = (vlan for vlan in reversed(pool.vlans) if (pool.switch, vlan) not in taken)
        if (found := next(free, None)) is not None:
            yield pool.switch, found


def _chosen(plugs: Plugs, needs: HostNeeds, stored: Stored, *, clean: bool) -> Plugs:
    """Raises ProblemError where nothing is named, or a VLAN is a tenant's."""
    taken = {(lease.switch, lease.vlan): lease.tenant for lease in stored.allocation.vlans}
    for place, one in enumerate(plugs.vlans):
        if one in taken:
            detail = f"VLAN {one[1]} of {one[0]} is {taken[one]}'s; name one that nobody has"
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer=f"/vlans/{place}"))
    if plugs != Plugs():
        return plugs
    found = Plugs(networks=needs.networks[:1], vlans=tuple(spare(needs, stored.allocation))[:1])
    if found == Plugs() and not clean:
        detail = "the inventory names no network and no VLAN pool on this host; name one with --network"
        raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/networks"))
    return found


def _host(stored: Stored, name: Name) -> Host:
    """Raises ProblemError where there is none, or its throw-away machine would be somebody's appliance."""
    host = book.host(book.index(stored.inventory), name)
    ours = {one.id for one in appliances.needed(stored.inventory)}
    ours |= {one.id for one in stored.inventory.gateways}
    ours |= {one.id for one in production.places(stored.inventory)}
    if owner_of(name) in ours:
        detail = f"{owner_of(name)} is an appliance of the inventory, and would be taken for a throw-away one"
        raise ProblemError(problem(ProblemType.INVALID, detail))
    return host


def _login(settings: Settings, database: Database, host: Host) -> Secret | None:
    if host.login is UNSET:
        return None
    return upkeep.vault_in(settings, database).get(host.login)


@contextmanager
def _alone(settings: Settings, name: Name) -> Iterator[None]:
    """One at a time on a host, from this controller: a second one would remove the machine of the first."""
    with (settings.state / f"selftest-{name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            detail = f"another selftest of {name} is under way here; wait until it has ended"
            raise ProblemError(problem(ProblemType.UNAVAILABLE, detail)) from None
        yield
