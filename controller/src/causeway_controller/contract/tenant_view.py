"""What a tenant has at a provider, as its own controller sees it, and nothing of how that is brought about.

No VLAN, no switch, no vNIC, no id of a hypervisor: who needs them is the provider.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Struct, UnsetType

from causeway_controller.contract.certificates import Bearer
from causeway_controller.contract.provider import NetworkClass
from causeway_controller.contract.runs import RunId
from causeway_controller.contract.tenant import Starter
from causeway_wire.desired import Extension
from causeway_wire.types import (
    IPAddress,
    IPNetwork,
    MacAddress,
    Name,
    NetworkId,
    Port,
    SerialNumber,
    TenantId,
    Timestamp,
    TunnelId,
    VmName,
    sha256,
)

Version = Annotated[str, sha256("of what was answered: another differs")]


class GatewayEndpoints(Struct, frozen=True, kw_only=True):
    """Where the tenant's tunnels enter."""

    name: Name
    """The DNS name in the gateways' TLS certificates."""
    addresses: tuple[IPAddress, ...]
    port: Port
    """Over UDP and TCP."""


class NetworkAtHost(Struct, frozen=True, kw_only=True):
    """A production network's stand-in on a host of the provider's."""

    host: Name
    network_class: NetworkClass
    extension: Extension


class NetworkView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A production network, as the provider knows it."""

    id: NetworkId
    prefixes: tuple[IPNetwork, ...]
    gateways: tuple[IPAddress, ...] = ()
    tunnel: TunnelId | UnsetType = UNSET
    """Nothing where the tenant's appliance was omitted: then there is no partial failover."""
    at: tuple[NetworkAtHost, ...] = ()


class ReplicaView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A VM that has a replica."""

    vm: VmName
    network: NetworkId
    addresses: tuple[IPAddress, ...]
    host: Name
    macs: tuple[MacAddress, ...] = ()
    """Of the replica's vNICs, as far as the provider entered them; a bridged network needs them."""
    restored_to: Timestamp | UnsetType = UNSET
    """The moment of production that the replica would start with; nothing where nobody told."""


class PlanView(Struct, frozen=True, kw_only=True):
    """A plan for the full failover."""

    id: Name
    vms: tuple[VmName, ...]


class FailoverView(Struct, frozen=True, kw_only=True):
    """What the tenant's failover on a host is, as its last run left it; where it is idle there is none."""

    host: Name
    mode: str
    vms: tuple[VmName, ...]


class AskedFailover(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the provider's staff asks this tenant's controller for, as long as its run is open."""

    run: RunId
    """The provider's."""
    host: Name
    vms: tuple[VmName, ...]
    reason: str
    end: bool = False
    """Whether the failover of these VMs is to be ended, rather than begun."""


class RevokedCertificate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate that counts no more: the tenant's appliances must refuse it, or must not show it."""

    serial: SerialNumber
    bearer: Bearer
    """A gateway, or an end of a tunnel."""
    tunnel: TunnelId | UnsetType = UNSET
    """As it was called when the certificate was issued."""
    name: Name | UnsetType = UNSET
    """The certificate's common name. Without it every end refuses it."""


class Lack(StrEnum):
    """What keeps networks from a partial failover to a host, as far as it is the tenant's to know."""

    NOT_DEPLOYED = "not-deployed"
    """The provider's appliance is not there."""
    NEVER_ANSWERED = "never-answered"
    """It was deployed, and has not enrolled or not answered since."""
    SILENT = "silent"
    """It does not answer, or is off although it is needed."""
    NO_CERTIFICATE = "no-certificate"
    """The provider's end of the tunnel has none that counts."""


class UnreadyHost(Struct, frozen=True, kw_only=True):
    """A host of the provider's to which networks could not fail over partially now."""

    host: Name
    lack: Lack
    networks: tuple[NetworkId, ...]


class TenantResources(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is the tenant's."""

    tenant: TenantId
    hosts: tuple[Name, ...]
    networks: tuple[NetworkView, ...]
    replicas: tuple[ReplicaView, ...]
    plans: tuple[PlanView, ...]
    full_failover_by: tuple[Starter, ...]
    public_addresses: tuple[IPAddress, ...]
    open_runs: tuple[RunId, ...]
    failovers: tuple[FailoverView, ...] = ()
    asked: tuple[AskedFailover, ...] = ()
    revoked: tuple[RevokedCertificate, ...] = ()
    gateways: GatewayEndpoints | UnsetType = UNSET
    unready: tuple[UnreadyHost, ...] = ()


class VersionedResources(Struct, frozen=True, kw_only=True):
    """All that is the tenant's, now."""

    version: Version
    resources: TenantResources
