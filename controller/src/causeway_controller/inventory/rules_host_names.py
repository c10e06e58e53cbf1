"""Rules of what the inventory calls things on its hosts: read by who knows the names of a host's kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import HostKind, StorageKind, VlanPool
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings
from causeway_wire.problem import ProblemType

REFUSED: Final = frozenset({StorageKind.VIRTUAL_VOLUMES, StorageKind.DATASTORE_CLUSTER})
"""Storage that no host may have: said by its own rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """What reads a kind's names. Each raises ValueError for what is none."""

    switch: Callable[[VlanPool], object]
    """The switch of a pool."""
    segment: Callable[[str], object]
    vm: Callable[[str], object]


def check(findings: Findings, inventory: Inventory, book: Book, kind: HostKind, readers: Readers) -> None:
    """Note each name of something on a host of this kind that cannot be read."""
    for reading, pointer in _names(inventory, book, kind, readers):
        told(findings, reading, pointer)


def told(findings: Findings, reading: Callable[[], object], pointer: str) -> object:
    """Return what is read; None, with its problem noted, where that fails."""
    try:
        return reading()
    except ValueError as error:
        findings.add(ProblemType.INVALID, pointer, str(error))
        return None


def _names(
    inventory: Inventory, book: Book, kind: HostKind, readers: Readers
) -> Iterator[tuple[Callable[[], object], str]]:
    ours = frozenset(host.id for host in inventory.hosts if host.kind is kind)
    for n, pool in enumerate(inventory.vlan_pools):
        if pool.host in ours:
            yield partial(readers.switch, pool), f"/vlan_pools/{n}/switch"
    for n, gateway in enumerate(inventory.gateways):
        if gateway.host in ours:
            yield partial(readers.segment, gateway.public_network), f"/gateways/{n}/public_network"
            yield partial(readers.segment, gateway.inside_network), f"/gateways/{n}/inside_network"
    for n, tenant in enumerate(inventory.tenants):
        for m, subscription in enumerate(tenant.subscriptions):
            plan = book.plans.get(subscription.plan)
            if plan is not None and plan.host in ours:
                where = f"/tenants/{n}/subscriptions/{m}/uplink/network"
                yield partial(readers.segment, subscription.uplink.network), where
        for m, vm in enumerate(tenant.vms):
            if vm.replica is not UNSET and vm.replica.host in ours:
                yield partial(readers.vm, vm.replica.vm_id), f"/tenants/{n}/vms/{m}/replica/vm_id"
