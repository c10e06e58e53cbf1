"""Addresses, prefixes and ranges: which holds which. IP versions never mix."""

from __future__ import annotations

from collections.abc import Iterable

from causeway_controller.contract.provider import PublicPool
from causeway_wire.types import IPAddress, IPNetwork


def inside(networks: Iterable[IPNetwork], address: IPAddress) -> bool:
    """Return whether the address lies in one of the networks."""
    return any(network.version == address.version and address in network for network in networks)


def in_pools(pools: Iterable[PublicPool], address: IPAddress) -> bool:
    """Return whether the address lies in one of the pools."""
    return any(
        pool.first.version == pool.last.version == address.version
        and int(pool.first) <= int(address) <= int(pool.last)
        for pool in pools
    )
