"""The inventory that documents are compiled from: tenants, networks, VMs, appliances, gateways.

Values only. Certificates and keys come from `Credentials`, made by `pki` and by the agents themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from causeway_wire.types import (
    ApplianceId,
    IPAddress,
    IPInterface,
    IPNetwork,
    MacAddress,
    Name,
    NetworkId,
    Secret,
    TenantId,
    TunnelId,
    VmName,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A vNIC of an appliance: the name documents use, its MAC, its own addresses, its default gateways."""

    name: str
    mac: MacAddress
    addresses: tuple[IPInterface, ...] = ()
    gateways: tuple[IPAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementAccess:
    """Where an appliance's agent listens and which controllers may connect."""

    nic: str
    address: IPAddress
    sources: tuple[IPNetwork, ...]
    port: int = 8443


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A production IP network of a tenant, extended by one tunnel."""

    id: NetworkId
    prefixes: tuple[IPNetwork, ...]
    gateways: tuple[IPAddress, ...]
    tunnel: TunnelId
    inner: tuple[tuple[IPAddress, IPAddress], ...]
    """(provider end, tenant end) per family."""
    port: int
    """The provider server's port: odd, from 1195 upward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAppliance:
    """The provider's appliance for one tenant on one host."""

    id: ApplianceId
    management: ManagementAccess
    uplink: Adapter
    vlans: Mapping[NetworkId, Adapter]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAppliance:
    """The tenant's appliance for one production network."""

    id: ApplianceId
    management: ManagementAccess
    network: NetworkId
    nic: Adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A tenant VM with a replica at the provider."""

    name: VmName
    network: NetworkId
    addresses: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant: networks, the appliance pair of each, and the VMs that can fail over."""

    id: TenantId
    networks: Mapping[NetworkId, Network]
    provider: ProviderAppliance
    appliances: Mapping[NetworkId, TenantAppliance]
    vms: Mapping[VmName, Vm]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A cloud gateway: its public address, and its address on the provider's inside network."""

    id: ApplianceId
    management: ManagementAccess
    public: Adapter
    inside: Adapter
    name: Name
    """DNS name in its TLS certificate; the same for all gateways of a provider."""
    port: int = 6180


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelCredentials:
    """Certificates and tls-crypt-v2 client key of one tunnel."""

    server_certificate: str
    client_certificate: str
    server_name: Name
    client_name: Name
    client_tls_crypt: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCredentials:
    """A tenant's VPN authority and tls-crypt-v2 server key, and the credentials of its tunnels."""

    ca: str
    tls_crypt: Secret
    tunnels: Mapping[TunnelId, TunnelCredentials]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCredentials:
    """The gateways' TLS authority and their certificates by appliance."""

    ca: str
    certificates: Mapping[ApplianceId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that documents are compiled from."""

    tenants: Mapping[TenantId, Tenant]
    gateways: tuple[Gateway, ...]
    credentials: Mapping[TenantId, TenantCredentials]
    gateway_credentials: GatewayCredentials
    failed_over: Mapping[TenantId, frozenset[VmName]] = field(default_factory=dict)
    """VMs in partial failover now."""


def with_failed_over(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Site:
    """The site with exactly these VMs of the tenant in partial failover."""
    return replace(site, failed_over={**site.failed_over, tenant: vms})
