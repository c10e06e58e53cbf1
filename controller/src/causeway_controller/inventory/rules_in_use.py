"""Rules of a change while a failover stands or a run is under way: what these rest on stays as it is.

What is refused would make the way back another one than the way there was, or leave a machine, a tunnel or an
address that nobody serves. Whatever was entered before a failover may still be completed, and what is only
asked for when an appliance is deployed, or the next failover begins, may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind
from causeway_controller.inventory import book as names_of
from causeway_controller.inventory import production, rules_in_use_own, rules_in_use_tenant
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.in_use import InUse, refuse, unchanged
from causeway_controller.inventory.rules_in_use_tenant import Looked
from causeway_wire.types import ApplianceId, Name

Uses = Mapping[str, Sequence[InUse]]
"""What is in use, by its name, each with by whom."""


def check(findings: Findings, inventory: Inventory, before: Inventory, in_use: Iterable[InUse]) -> None:
    """Note where the inventory changes what one of these rests on."""
    uses = tuple(_led(before, use) for use in in_use)
    if not uses:
        return
    looked = Looked(before=before, after=inventory, old=names_of.index(before), new=names_of.index(inventory))
    for use in uses:
        own = production.find(before, use.tenant, use.host)
        if own is not None:
            rules_in_use_own.check(findings, inventory, own, use)
        elif use.tenant in looked.old.tenants:
            rules_in_use_tenant.check(findings, looked, use)
    pools = _by_name((_pool_of(looked, use), use) for use in uses if use.tunnelled)
    for name, by in pools.items():
        _pool(findings, looked, name, by)
    gateways = _by_name(_gateways_of(looked, uses, pools))
    for name, by in gateways.items():
        _gateway(findings, looked, name, by)
    for name, by in _by_name(_hosts_of(looked, uses, gateways)).items():
        _host(findings, looked, name, by)


def _led(before: Inventory, use: InUse) -> InUse:
    return replace(use, own=production.find(before, use.tenant, use.host) is not None)


def _by_name(found: Iterable[tuple[Name | None, InUse]]) -> Uses:
    by: dict[str, list[InUse]] = {}
    for name, use in found:
        if name is not None:
            by.setdefault(name, []).append(use)
    return by


def _pool_of(looked: Looked, use: InUse) -> Name | None:
    """The gateway pool that its tunnels come in by; none of who has no place here."""
    tenant = looked.old.tenants.get(use.tenant) if use.host else None
    return None if tenant is None or tenant.gateway_pool is UNSET else tenant.gateway_pool


def _gateways_of(looked: Looked, uses: Iterable[InUse], pools: Uses) -> Iterator[tuple[Name, InUse]]:
    for pool, by in pools.items():
        entry = looked.old.gateway_pools.get(pool)
        yield from ((name, use) for name in (() if entry is None else entry.gateways) for use in by)
    yield from ((use.host, use) for use in uses if not use.tenant)


def _hosts_of(looked: Looked, uses: Iterable[InUse], gateways: Uses) -> Iterator[tuple[Name, InUse]]:
    for use in uses:
        own = production.find(looked.before, use.tenant, use.host)
        yield use.host if own is None else own.appliance.host, use
    for name, by in gateways.items():
        entry = looked.old.gateways.get(name)
        yield from ((entry.host, use) for use in by) if entry is not None else ()


def _pool(findings: Findings, looked: Looked, name: Name, by: Sequence[InUse]) -> None:
    """Tunnels are known by its name and come in at its port. Its gateways may be exchanged, not all at once:
    those that were are what sites have been told.
    """
    was, there = looked.old.gateway_pools.get(name), names_of.placed(looked.after.gateway_pools, name)
    if was is None:
        return
    if there is None:
        refuse(findings, "/gateway_pools", f"gateway pool {name} would go", by)
        return
    n, now = there
    where = f"/gateway_pools/{n}"
    unchanged(findings, by, was, now, "name", "port", pointer=where, what=f"gateway pool {name}")
    if not set(was.gateways) & set(now.gateways):
        refuse(findings, f"{where}/gateways", f"no gateway of {name} that there was would be left", by)


def _gateway(findings: Findings, looked: Looked, name: ApplianceId, by: Sequence[InUse]) -> None:
    """Where sites were told that their tunnels come in. One that goes altogether is its pool's concern,
    unless a run is about it.
    """
    was, there = looked.old.gateways.get(name), names_of.placed(looked.after.gateways, name)
    if was is None:
        return
    if there is None:
        if own := [use for use in by if not use.tenant]:
            refuse(findings, "/gateways", f"gateway {name} would go", own)
        return
    n, now = there
    what = f"gateway {name}, beside which another one may be entered into its pool,"
    unchanged(findings, by, was, now, "host", "public", "inside", pointer=f"/gateways/{n}", what=what)


def _host(findings: Findings, looked: Looked, name: Name, by: Sequence[InUse]) -> None:
    was, there = looked.old.hosts.get(name), names_of.placed(looked.after.hosts, name)
    if was is None:
        return
    if there is None:
        refuse(findings, "/hosts", f"host {name} would go", by)
        return
    n, now = there
    unchanged(findings, by, was, now, *_found_by(was), pointer=f"/hosts/{n}", what=f"host {name}")


def _found_by(host: Host) -> tuple[str, ...]:
    """Members by which machines are found again. Hyper-V's appliances are by where their files are."""
    return ("kind", "storage", "folder") if host.kind is HostKind.HYPERV else ("kind",)
