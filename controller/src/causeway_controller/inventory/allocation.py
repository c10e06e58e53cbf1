"""What tenants have been given out of the provider's pools. Once given it stays, whatever is edited."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from causeway_wire.types import IPAddress, MacAddress, Name, NetworkId, TenantId, VlanId

UPLINK: Final = "uplink"
TRUNK: Final = "trunk"

_FIRST_PORT: Final = 1195
_INNER_IPV4: Final = ipaddress.IPv4Address("100.64.0.0")
"""Shared address space (RFC 6598): neither production's nor the internet's."""
_INNER_IPV6: Final = ipaddress.IPv6Address("fd43:6175:7365::")
"""A unique local prefix (RFC 4193)."""
SLOTS: Final = (65_535 - _FIRST_PORT) // 2 + 1


class VlanLease(Struct, frozen=True, kw_only=True):
    """The VLAN of one network of a plan for one tenant."""

    tenant: TenantId
    plan: Name
    network: NetworkId
    host: Name
    switch: str
    vlan: VlanId


class MacLease(Struct, frozen=True, kw_only=True):
    """The MAC address of one vNIC of a tenant's appliance on a host."""

    tenant: TenantId
    host: Name
    adapter: str
    """`uplink`, `trunk`, or `PLAN/NETWORK`."""
    mac: MacAddress


class TunnelLease(Struct, frozen=True, kw_only=True):
    """A tunnel's slot among its tenant's: its port and its inner addresses follow from it."""

    tenant: TenantId
    network: NetworkId
    slot: int

    @property
    def port(self) -> int:
        """The server's: odd, from 1195 upward."""
        return _FIRST_PORT + 2 * self.slot

    @property
    def inner(self) -> tuple[tuple[IPAddress, IPAddress], ...]:
        """(provider end, tenant end) for each IP version."""
        return inner(self.slot)


class PublicLease(Struct, frozen=True, kw_only=True):
    """A public address that the controller chose for a tenant."""

    tenant: TenantId
    address: IPAddress


class Allocation(Struct, frozen=True, kw_only=True):
    """Everything that has been given."""

    vlans: tuple[VlanLease, ...] = ()
    macs: tuple[MacLease, ...] = ()
    tunnels: tuple[TunnelLease, ...] = ()
    public: tuple[PublicLease, ...] = ()

    def macs_on(self, tenant: TenantId, host: Name) -> Mapping[str, MacAddress]:
        """Return the MAC addresses of the tenant's appliance on the host, by adapter."""
        here = (tenant, host)
        return {each.adapter: each.mac for each in self.macs if (each.tenant, each.host) == here}

    def vlans_on(self, tenant: TenantId, host: Name) -> Mapping[tuple[Name, NetworkId], VlanLease]:
        """Return the VLANs of the tenant on the host, by plan and its network."""
        here = (tenant, host)
        return {(each.plan, each.network): each for each in self.vlans if (each.tenant, each.host) == here}


NOTHING: Final = Allocation()


def inner(slot: int) -> tuple[tuple[IPAddress, IPAddress], ...]:
    """The addresses at both ends of the tunnel in this slot, for each IP version."""
    offset = 4 * slot
    return (
        (_INNER_IPV4 + offset + 1, _INNER_IPV4 + offset + 2),
        (_INNER_IPV6 + offset + 1, _INNER_IPV6 + offset + 2),
    )


def mac_candidates(tenant: TenantId, host: Name, adapter: str) -> Iterator[MacAddress]:
    """Locally administered addresses of one adapter (IEEE 802, 8.2), the same ones every time."""
    for attempt in itertools.count():
        octets = bytearray(hashlib.sha256(f"{tenant}\n{host}\n{adapter}\n{attempt}".encode()).digest()[:6])
        octets[0] = octets[0] & 0xFC | 0x02
        yield octets.hex(":")
