"""A tenant: what they subscribe to, their production networks, their VMs, their failover plans."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from causeway_controller.contract.provider import ForeignId, HostKind
from causeway_wire.desired import Document, Extension, HostAddresses, PerVersion, PerVm, Prefixes
from causeway_wire.public_rules import Description, PublicRule
from causeway_wire.types import IPAddress, MacAddress, Name, NetworkId, TenantId, TunnelId, VmName

Count = Annotated[int, Meta(ge=0, le=9999)]


class Static(Document, frozen=True, kw_only=True, tag_field="assignment", tag="static"):
    """Addresses that the provider or the tenant chose, with their default gateways, one per IP version."""

    addresses: HostAddresses
    gateways: PerVersion = ()


class Dhcp(Document, frozen=True, kw_only=True, tag_field="assignment", tag="dhcp"):
    """Addresses that the network gives: of machines that somebody else commands. Those of our own appliances
    are static, for they are spoken to.
    """


Assignment = Static | Dhcp


class Uplink(Document, frozen=True, kw_only=True):
    """How a provider's appliance stands in the provider's production network."""

    network: ForeignId
    """The hypervisor's network or port group."""
    address: Assignment


class Adapters(StrEnum):
    """How VLANs reach an appliance: one vNIC each, or tagged on one vNIC that all share."""

    ACCESS = "access"
    TRUNK = "trunk"


class SubscribedNetwork(Document, frozen=True, kw_only=True):
    """Which production network a network of the plan stands for."""

    plan_network: NetworkId
    network: NetworkId
    extension: Extension = Extension.ROUTED
    appliance_addresses: HostAddresses = ()
    """Addresses in the production network that the provider's appliance has in the VLAN: free ones, which no
    machine of production uses. It works without; with one it is seen by replicas as itself, for diagnostics.
    """


class Subscription(Document, frozen=True, kw_only=True):
    """A hardware plan given to the tenant. All networks of the plan become VLANs, or none does."""

    plan: Name
    uplink: Uplink
    """The same in all subscriptions of a tenant on one host: they share the appliance (seed)."""
    networks: Annotated[tuple[SubscribedNetwork, ...], Meta(max_length=128)] = ()
    adapters: Adapters = Adapters.ACCESS


class TenantEnd(Document, frozen=True, kw_only=True):
    """The tenant's appliance in a production network and the tunnel that it opens (seed: one per network)."""

    tunnel: TunnelId
    address: Assignment = Dhcp()


class TenantNetwork(Document, frozen=True, kw_only=True):
    """An IP network of the tenant's production site."""

    id: NetworkId
    prefixes: Prefixes
    gateways: PerVersion = ()
    """Production's default gateways, one per IP version: full failover takes them over."""
    tenant_end: TenantEnd | UnsetType = UNSET
    """Omitted by who plans no partial failover (seed)."""


class ReplicaVm(Document, frozen=True, kw_only=True):
    """The VM at the provider that stands in for one of production."""

    host: Name
    vm_id: ForeignId


class ProtectedVm(Document, frozen=True, kw_only=True):
    """A VM of production. Its addresses are static: the replica has the same and no DHCP server."""

    name: VmName
    network: NetworkId
    addresses: PerVm
    macs: Annotated[tuple[MacAddress, ...], Meta(max_length=64)] = ()
    replica: ReplicaVm | UnsetType = UNSET


class ReadyBy(StrEnum):
    """What shows that a replica is ready."""

    POWER = "power"
    """Its host says that it is powered on."""
    GUEST = "guest"
    """Its guest answers, as the host's guest tools say."""


class Readiness(Document, frozen=True, kw_only=True):
    """When a replica counts as ready, and what its being late means to those that wait for it."""

    by: ReadyBy = ReadyBy.GUEST
    timeout: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    """Seconds from power on."""
    required: bool = True
    """Whether those that wait for it stay off when it is not ready in time; otherwise they start all the
    same. It runs on either way, and the run tells of it.
    """


class PlanEntry(Document, frozen=True, kw_only=True):
    """When a VM of a failover plan starts."""

    vm: VmName
    priority: Annotated[int, Meta(ge=1, le=5)] = 3
    """Those of 1 are ready, or late, before those of 2 start."""
    after: Annotated[tuple[VmName, ...], Meta(max_length=64)] = ()
    """VMs of the plan that must be ready before."""
    delay: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    """Seconds from this VM's start to the next one's."""
    ready: Readiness | UnsetType = UNSET
    """Without it a VM is ready when its host has powered it on."""


class Hook(Document, frozen=True, kw_only=True):
    """A program or an address of the provider's that a run calls."""

    name: Name
    """In the controller's settings, `hooks`: what is called is never in the inventory."""
    timeout: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    """Seconds."""
    required: bool = True
    """Whether its failure stops the run; otherwise it is told and the rest goes on."""


class Hooks(Document, frozen=True, kw_only=True):
    """What is called when: each once for a run, again only when nobody remembers how it ended."""

    before: Hook | UnsetType = UNSET
    """Before a full failover or a rehearsal touches anything."""
    hold: Hook | UnsetType = UNSET
    """After that, towards what replicates: it must not write to the replicas that are about to start."""
    after: Hook | UnsetType = UNSET
    """When every VM of the plan was started."""
    release: Hook | UnsetType = UNSET
    """When replicas have stopped and given up their addresses: what replicates may write to them again, and
    after a failback brings production back.
    """


class FailoverPlan(Document, frozen=True, kw_only=True):
    """A full site failover: which VMs start when, and what the internet reaches of them."""

    id: Name
    entries: Annotated[tuple[PlanEntry, ...], Meta(min_length=1, max_length=1000)]
    parallel: Annotated[int, Meta(ge=1, le=1000)] = 10
    """How many VMs start at once."""
    routed: Annotated[tuple[NetworkId, ...], Meta(max_length=128)] = ()
    """Networks of one hardware plan between which packets are routed; none unless named."""
    rules: Annotated[tuple[PublicRule, ...], Meta(max_length=10_000)] = ()
    hooks: Hooks = Hooks()


class Starter(StrEnum):
    """Whose staff may start a full failover."""

    TENANT = "tenant"
    PROVIDER = "provider"


class Tenant(Document, frozen=True, kw_only=True):
    """A customer of the provider, and all that the provider knows of them."""

    id: TenantId
    platform: HostKind
    """Of all hosts that the tenant's replicas run on."""
    gateway_pool: Name | UnsetType = UNSET
    """Whose gateways the tunnels use; needed by networks that have a tenant's end."""
    description: Description = ""
    full_failover_by: Annotated[tuple[Starter, ...], Meta(min_length=1, max_length=2)] = (
        Starter.TENANT,
        Starter.PROVIDER,
    )
    max_vms: Count | UnsetType = UNSET
    public_addresses: Annotated[tuple[IPAddress, ...], Meta(max_length=256)] = ()
    """Public addresses that the tenant has, by name."""
    more_public_ipv4: Annotated[int, Meta(ge=0, le=256)] = 0
    """How many more the controller chooses."""
    more_public_ipv6: Annotated[int, Meta(ge=0, le=256)] = 0
    test_addresses: Annotated[tuple[IPAddress, ...], Meta(max_length=256)] = ()
    """Public addresses that stand in for the others in a rehearsal: the first for the first, and so on."""
    networks: Annotated[tuple[TenantNetwork, ...], Meta(max_length=128)] = ()
    subscriptions: Annotated[tuple[Subscription, ...], Meta(max_length=64)] = ()
    vms: Annotated[tuple[ProtectedVm, ...], Meta(max_length=9999)] = ()
    stale_after: Annotated[int, Meta(ge=60, le=31_536_000)] = 86_400
    """Seconds after its last restore point when a replica counts as stale; a day unless said."""
    failover_plans: Annotated[tuple[FailoverPlan, ...], Meta(max_length=64)] = ()
