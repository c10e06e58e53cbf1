"""Pools and lists of an inventory that are nearly full: told when it is entered, not in a disaster. Pure."""

from __future__ import annotations

import functools
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import inspect

from causeway_controller.contract.change import Filling
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import NetworkClass, VlanPool
from causeway_controller.inventory.allocation import Allocation
from causeway_wire.types import IPAddress, Name

_FULL: Final = 0.8
"""Which share of a pool or of a list is given when that is told."""
_LONG: Final = 64
"""Shorter lists are full by design: two IP versions, the gateways of a pool."""


def find(inventory: Inventory, given: Allocation) -> Iterator[Filling]:
    """Yield what is nearly full in the inventory and in what tenants are given of it, in its order."""
    yield from _vlans(inventory, given)
    yield from _public(inventory, given)
    for pointer, entry in _entries(inventory):
        yield from _lists(pointer, entry)


def _vlans(inventory: Inventory, given: Allocation) -> Iterator[Filling]:
    """Pools of one host and class are taken out of together; the last one is where to go on."""
    pools: dict[tuple[Name, NetworkClass], list[tuple[int, VlanPool]]] = defaultdict(list)
    for n, pool in enumerate(inventory.vlan_pools):
        pools[pool.host, pool.network_class].append((n, pool))
    taken: dict[tuple[Name, str], set[int]] = defaultdict(set)
    for lease in given.vlans:
        taken[lease.host, lease.switch].add(lease.vlan)
    for (host, network_class), entries in pools.items():
        there: dict[str, set[int]] = defaultdict(set)
        for _, pool in entries:
            there[pool.switch] |= set(range(pool.first, pool.last + 1))
        size = sum(map(len, there.values()))
        used = sum(len(vlans & taken[host, switch]) for switch, vlans in there.items())
        if used >= _FULL * size:
            what = f"VLANs of class {network_class.value} on host {host} are given"
            advice = "enter another pool before the next subscription needs them"
            yield _filling(f"/vlan_pools/{entries[-1][0]}", used, size, what, advice)


def _public(inventory: Inventory, given: Allocation) -> Iterator[Filling]:
    named = (
        address
        for tenant in inventory.tenants
        for address in (*tenant.public_addresses, *tenant.test_addresses)
    )
    gateways = (interface.ip for gateway in inventory.gateways for interface in gateway.public)
    taken = {*named, *gateways, *(lease.address for lease in given.public)}
    for version in (4, 6):
        pools = [(n, one) for n, one in enumerate(inventory.public_pools) if one.first.version == version]
        if not pools:
            continue
        ranges = sorted((int(one.first), int(one.last)) for _, one in pools)
        size, used = sum(last - first + 1 for first, last in ranges), _within(ranges, taken, version)
        if used >= _FULL * size:
            what = f"public IPv{version} addresses of all pools are given"
            advice = "enter another pool before the next tenant needs some"
            yield _filling(f"/public_pools/{pools[-1][0]}", used, size, what, advice)


def _within(ranges: list[tuple[int, int]], taken: Iterable[IPAddress], version: int) -> int:
    """How many addresses of this version are in these ranges, of which no two overlap, the lowest first."""
    numbers = (int(address) for address in taken if address.version == version)
    places = ((number, bisect(ranges, number, key=lambda each: each[0])) for number in numbers)
    return sum(place > 0 and number <= ranges[place - 1][1] for number, place in places)


def _entries(inventory: Inventory) -> Iterator[tuple[str, msgspec.Struct]]:
    """What has lists that grow. VMs and rules are too many to be looked at one by one, and theirs do not."""
    yield "", inventory
    for n, plan in enumerate(inventory.hardware_plans):
        yield f"/hardware_plans/{n}", plan
    for n, site in enumerate(inventory.production):
        yield f"/production/{n}", site
    for n, tenant in enumerate(inventory.tenants):
        yield f"/tenants/{n}", tenant
        for m, followed in enumerate(tenant.failover_plans):
            yield f"/tenants/{n}/failover_plans/{m}", followed


def _lists(pointer: str, entry: msgspec.Struct) -> Iterator[Filling]:
    for member, most in _limits(type(entry)):
        length = len(getattr(entry, member))
        if length >= _FULL * most:
            what = "entries are in this list, and more are refused"
            yield _filling(
                f"{pointer}/{member}", length, most, what, "remove those that nobody needs any more"
            )


@functools.cache
def _limits(kind: type[msgspec.Struct]) -> tuple[tuple[str, int], ...]:
    """Members of a document that are lists, and how long each may be at most."""
    shown = inspect.type_info(kind)
    fields = shown.fields if isinstance(shown, inspect.StructType) else ()
    lists = ((field.name, field.type) for field in fields)
    longest = ((name, one.max_length) for name, one in lists if isinstance(one, inspect.VarTupleType))
    return tuple((name, most) for name, most in longest if most is not None and most >= _LONG)


def _filling(pointer: str, used: int, most: int, what: str, advice: str) -> Filling:
    return Filling(pointer=pointer, used=used, most=most, detail=f"{used} of {most} {what}; {advice}")
