"""The inventory that documents are compiled from: tenants, networks, VMs, appliances, gateways.

Values only. Certificates and keys come from `Credentials`, made by `pki` and by the agents themselves.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from causeway_controller.contract.tenant import Hooks, Readiness
from causeway_controller.inventory.findings import some
from causeway_controller.inventory.modes import Idle, Mode
from causeway_wire.desired import Extension, StaleAnswer
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import (
    ApplianceId,
    IPAddress,
    IPInterface,
    IPNetwork,
    KeyName,
    MacAddress,
    Name,
    NetworkId,
    Secret,
    SerialNumber,
    TenantId,
    TunnelId,
    VlanId,
    VmName,
)

STARTED_TOGETHER: Final = 10
"""Replicas that are started at once where no plan says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A vNIC of an appliance: the name documents use, its MAC, its own addresses, its default gateways."""

    name: str
    mac: MacAddress
    addresses: tuple[IPInterface, ...] = ()
    gateways: tuple[IPAddress, ...] = ()
    vlan: VlanId | None = None
    """The tag of what arrives on its appliance's trunk (IEEE 802.1Q); its MAC address is the trunk's."""


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
    internet: bool = False
    """Class of the network: whether its replicas may open connections to the internet in full failover."""
    extension: Extension = Extension.ROUTED
    """How partial failover extends it; `extension` tells the limits of each way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAppliance:
    """The provider's appliance for one tenant on one host."""

    id: ApplianceId
    management: ManagementAccess
    uplink: Adapter
    vlans: Mapping[NetworkId, Adapter]
    trunk: Adapter | None = None
    """The vNIC that carries the networks whose adapters have a tag."""
    spare: tuple[Adapter, ...] = ()
    """Adapters of networks that stand for no production network yet."""
    denied: tuple[IPNetwork, ...] = ()
    """The provider's own networks besides the uplink's, which replicas never reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHalf:
    """What stands for the provider's appliance at a tenant's controller, which commands it not."""

    id: ApplianceId
    """What runs call it."""
    hosts: Mapping[VmName, Name]
    """Of the provider's, on which each VM's replica is."""
    elsewhere: Mapping[VmName, NetworkId] = field(default_factory=dict)
    """VMs of the tenant's other networks, which have appliances of their own, or none."""
    serves: frozenset[VmName] = frozenset()
    """What it said last that it serves partially: what is not failed over here was left by a failed run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAppliance:
    """The tenant's appliance for one production network."""

    id: ApplianceId
    management: ManagementAccess
    network: NetworkId
    nic: Adapter
    """Leads to the agent, carries the VPN and, where the network is extended routed, its packets."""
    extension_nic: Adapter | None = None
    """A second vNIC in the network, without addresses: what a bridged extension is made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A tenant VM with a replica at the provider."""

    name: VmName
    network: NetworkId
    addresses: tuple[IPAddress, ...]
    macs: tuple[MacAddress, ...] = ()
    """Of the replica's vNICs in the network; needed where that is extended bridged."""
    restored_to: datetime | None = None
    """The moment of production that its replica would start with, as far as anybody told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVm:
    """A VM's place in the failover plan."""

    vm: VmName
    priority: int = 3
    """Those of a lower number are ready before those of a higher one start."""
    after: tuple[VmName, ...] = ()
    """VMs that must be ready before, as far as they are started by the same run."""
    delay: float = 0.0
    """Seconds between this VM's start and the next one's."""
    ready: Readiness | None = None
    """None: it is ready when it is powered on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant: networks, the appliance pair of each, and the VMs that can fail over.

    What full failover needs is the provider's knowledge: it works with the tenant's site dead.
    """

    id: TenantId
    networks: Mapping[NetworkId, Network]
    provider: ProviderAppliance | ProviderHalf
    appliances: Mapping[NetworkId, TenantAppliance]
    """Those that this controller commands."""
    vms: Mapping[VmName, Vm]
    plan_name: Name = ""
    plan: tuple[PlannedVm, ...] = ()
    """The order in which replicas start in full failover; VMs not in it start last, by name."""
    parallel: int = STARTED_TOGETHER
    """How many replicas are started at once."""
    unreplicated: tuple[VmName, ...] = ()
    """VMs of the plan that have no replica on any host."""
    hooks: Hooks = Hooks()  # noqa: RUF009 - it is frozen
    routed: tuple[NetworkId, ...] = ()
    """Networks between which packets are routed in full failover; none unless named."""
    public_addresses: tuple[IPAddress, ...] = ()
    """Out of the provider's pools, chosen by the provider."""
    test_addresses: tuple[IPAddress, ...] = ()
    """Stand in for the public addresses in rehearsal: the first for the first of its family, and so on."""
    publications: tuple[PublicRule, ...] = ()
    """Services of replicas published on public addresses in full failover."""
    stale: tuple[StaleAnswer, ...] = ()
    """Answers of machines that are known to be gone: their addresses are claimed all the same."""

    @property
    def server(self) -> ProviderAppliance:
        """The provider's appliance. Raises ProblemError (`unsupported`) at a tenant's controller."""
        if isinstance(self.provider, ProviderHalf):
            detail = "only the provider's controller commands its appliance; have it do this"
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))
        return self.provider

    def lacks(self, vm: VmName) -> str:
        """Say why the tenant has no such VM here, and what to ask for instead."""
        elsewhere = self.provider.elsewhere if isinstance(self.provider, ProviderHalf) else {}
        if vm not in elsewhere:
            there = some(sorted(self.vms)) or "none that can fail over"
            return f"tenant {self.id} has no VM of this name; it has {there}"
        return (
            f"it is of network {elsewhere[vm]}, which fails over by itself: say `--host {elsewhere[vm]}`; a "
            "network without an appliance here has no partial failover"
        )


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
class Entrance:
    """What a tenant's appliance knows of a cloud gateway: where its tunnel goes in."""

    name: Name
    """As of `Gateway`."""
    addresses: tuple[IPAddress, ...]
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelCredentials:
    """Certificates and tls-crypt-v2 client key of one tunnel."""

    server_certificate: str
    """Empty where there is none that counts, or where it is another controller's affair; the client's too."""
    client_certificate: str
    server_name: Name
    client_name: Name
    client_tls_crypt: Secret
    server_key: KeyName | None = None
    """What the certified key is called on the appliance; None: as the first one is. The client's too."""
    client_key: KeyName | None = None


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
    keys: Mapping[ApplianceId, KeyName] = field(default_factory=dict)
    """What the certified keys are called, where they are not called as the first one is."""


class Holder(enum.Enum):
    """Whose certificate it is."""

    CONTROLLER = "controller"
    GATEWAY = "gateway"
    """Its TLS certificate, for the TCP fallback."""
    CLIENT = "client"
    """A tenant appliance's, of a tunnel."""
    SERVER = "server"
    """A provider appliance's, of a tunnel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A certificate that counts no longer although its authority signed it (`pki.serial`)."""

    serial: SerialNumber
    holder: Holder
    tenant: TenantId | None = None
    """Of a tunnel's certificate, as is `tunnel`."""
    tunnel: TunnelId | None = None
    """What it was called when the certificate was issued. It may have another name by now."""
    name: Name | None = None
    """The certificate's common name, which says where it would be taken; None: at any end of the tenant's, or
    of any gateway. Of a controller none is needed.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that documents are compiled from."""

    tenants: Mapping[TenantId, Tenant]
    gateways: tuple[Gateway, ...]
    credentials: Mapping[TenantId, TenantCredentials]
    gateway_credentials: GatewayCredentials
    modes: Mapping[TenantId, Mode] = field(default_factory=dict)
    """What each tenant's failover is now; tenants not in it are idle."""
    revoked: tuple[Revocation, ...] = ()
    told: tuple[Entrance, ...] = ()
    """At a tenant's controller, which commands no gateway: those that the provider told of."""

    @property
    def entrances(self) -> tuple[Entrance, ...]:
        """Where tunnels go in, in the order in which they are tried."""
        own = (
            Entrance(name=one.name, addresses=tuple(each.ip for each in one.public.addresses), port=one.port)
            for one in self.gateways
        )
        return (*own, *self.told)


def mode(site: Site, tenant: TenantId) -> Mode:
    """What the tenant's failover is now."""
    return site.modes.get(tenant, Idle())


def with_mode(site: Site, tenant: TenantId, new: Mode) -> Site:
    """The site with the tenant in this mode."""
    return replace(site, modes={**site.modes, tenant: new})


def with_publications(site: Site, tenant: TenantId, rules: tuple[PublicRule, ...]) -> Site:
    """The site with exactly these services of the tenant published in full failover."""
    changed = replace(site.tenants[tenant], publications=rules)
    return replace(site, tenants={**site.tenants, tenant: changed})


def with_plan(site: Site, tenant: TenantId, plan: tuple[PlannedVm, ...]) -> Site:
    """The site whose tenant's failovers follow this plan."""
    found = replace(site.tenants[tenant], plan=plan)
    return replace(site, tenants={**site.tenants, tenant: found})


def with_stale(site: Site, tenant: TenantId, stale: tuple[StaleAnswer, ...]) -> Site:
    """The site in which these answers, and no others, are overridden for the tenant."""
    found = replace(site.tenants[tenant], stale=stale)
    return replace(site, tenants={**site.tenants, tenant: found})
