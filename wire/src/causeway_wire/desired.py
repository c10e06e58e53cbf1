"""The desired document: everything one appliance should be, whole, numbered by its controller.

The failover mode is a tagged union, so that two failover types at once cannot be written down (seed,
limitation 1). Addresses of the appliance belong to its NICs; what the role says refers to NICs by name.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_wire import limits
from causeway_wire.types import (
    ApplianceId,
    Authority,
    Epoch,
    Generation,
    IPAddress,
    IPInterface,
    IPNetwork,
    KeyName,
    KeyTag,
    MacAddress,
    Mtu,
    Name,
    NetworkId,
    NicName,
    Pem,
    Port,
    Secret,
    SerialNumber,
    TenantId,
    TunnelId,
    UnprivilegedPort,
    VlanId,
    VmName,
)

HostAddresses = Annotated[tuple[IPInterface, ...], Meta(max_length=32)]
Prefixes = Annotated[tuple[IPNetwork, ...], Meta(max_length=8)]
Sources = Annotated[tuple[IPNetwork, ...], Meta(max_length=256)]
Allocation = Annotated[tuple[IPAddress, ...], Meta(max_length=256)]
PerVersion = Annotated[tuple[IPAddress, ...], Meta(max_length=8)]
"""One per IP version; more are refused by name."""
PerVm = Annotated[tuple[IPAddress, ...], Meta(max_length=64)]

Revoked = Annotated[tuple[SerialNumber, ...], Meta(max_length=256)]
"""Certificates that count no longer although their authority signed them, by serial number. Connections that
were opened with one end.
"""


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every request type: immutable, unknown members refused.

    A member that came later is left out of the text where it says nothing: digests of documents stay as they
    were.
    """


class Nic(Document, frozen=True, kw_only=True):
    """A virtual network adapter, found by its MAC address (the only name a hypervisor and a guest share)."""

    name: NicName
    mac: MacAddress
    addresses: HostAddresses = ()
    gateways: PerVersion = ()
    """Default gateways, at most one per family; the appliance's own default route."""
    mtu: Mtu = 1500


class Vlan(Document, frozen=True, kw_only=True):
    """An 802.1Q subinterface: an adapter of its own, carried tagged by the vNIC `trunk` (IEEE 802.1Q).

    Wherever the document names an adapter, this one may be named. It has its trunk's MAC address.
    """

    name: NicName
    trunk: NicName
    id: VlanId
    addresses: HostAddresses = ()
    mtu: Mtu = 1500


class Management(Document, frozen=True, kw_only=True):
    """Where the agent and SSH listen, and for whom. Nothing else of the appliance listens there."""

    nic: NicName
    address: IPAddress
    sources: Sources
    """Prefixes allowed to open connections to the agent and to SSH."""
    port: Port = 8443
    ssh_port: Port = 22
    revoked: Revoked | UnsetType = UNSET
    """Of controllers. Never the one that sends this: another controller's certificate does, so that one is
    known to work.
    """


class InnerAddresses(Document, frozen=True, kw_only=True):
    """The two ends of a tunnel, seen from one of them. Only errors (ICMP) ever carry these addresses."""

    local: IPAddress
    peer: IPAddress


class Extension(StrEnum):
    """How a network is extended; both ends of a tunnel must say the same."""

    ROUTED = "routed"
    """TUN and proxy ARP: IPv4 and IPv6 unicast only. No broadcast, multicast, DHCP or other protocols pass,
    and the time to live falls by two.
    """
    BRIDGED = "bridged"
    """TAP bridged with the adapter: every frame of a failed-over replica passes, broadcasts included. The
    adapter carries no address of the appliance's own, and the hypervisor must allow forged transmits.
    """


class LateAnswer(StrEnum):
    """What becomes of a claim when the machine that has the address answers only after it was made."""

    RELEASE = "release"
    """Given back, as if it had answered in time; made again when that machine is silent."""
    KEEP = "keep"


class StaleAnswer(Document, frozen=True, kw_only=True):
    """An address to be claimed although `mac` answers for it: a fabric's memory of a machine that is gone.

    Any other machine that answers still stands in the way.
    """

    address: IPAddress
    mac: MacAddress


class Claims(Document, frozen=True, kw_only=True):
    """How addresses are taken that other machines may have."""

    late_answer: LateAnswer = LateAnswer.RELEASE
    anyway: Annotated[tuple[StaleAnswer, ...], Meta(max_length=256)] = ()


class TunnelServer(Document, frozen=True, kw_only=True):
    """The provider's end of one network's tunnel: an OpenVPN server, UDP and TCP on the same port number."""

    id: TunnelId
    inner: Annotated[tuple[InnerAddresses, ...], Meta(max_length=8)]
    """One pair per family carried."""
    listen: IPAddress
    second_listen: IPAddress | None = None
    """An address of the other IP version, for clients whose way to a gateway is of that version. Over UDP
    only: over TCP a gateway connects from one version to the other by itself.
    """
    port: UnprivilegedPort
    """Odd, from 1195 upward, one per network."""
    key: KeyName
    """Name of the key born on this appliance (`POST /v1/identity/csr`)."""
    certificate: Pem
    ca: Pem
    peer_name: Name
    """The only subject common name accepted from the client."""
    tls_crypt: Secret
    """tls-crypt-v2 server key, PEM."""
    extension: Extension = Extension.ROUTED
    revoked: Revoked | UnsetType = UNSET
    """Of the client."""


class Remote(Document, frozen=True, kw_only=True):
    """One cloud gateway that leads to the tunnel's server; tried in order."""

    address: IPAddress
    port: Port = 6180


class TunnelClient(Document, frozen=True, kw_only=True):
    """The tenant's end of one network's tunnel: an OpenVPN client that knows several gateways."""

    id: TunnelId
    inner: Annotated[tuple[InnerAddresses, ...], Meta(max_length=8)]
    remotes: Annotated[tuple[Remote, ...], Meta(max_length=16)]
    key: KeyName
    certificate: Pem
    ca: Pem
    peer_name: Name
    tls_crypt: Secret
    """tls-crypt-v2 client key, PEM; its wrapped part names tenant and tunnel to the gateway."""
    gateway_ca: Pem
    """Authority of the gateways' TLS certificates, for the TCP fallback."""
    gateway_name: Name
    """DNS name in the gateways' TLS certificates."""
    extension: Extension = Extension.ROUTED
    revoked: Revoked | UnsetType = UNSET
    """Of the server."""
    gateway_revoked: Revoked | UnsetType = UNSET
    """Of the gateways, for the TCP fallback."""


class ProductionNetwork(Document, frozen=True, kw_only=True):
    """An IP network of the tenant's production site."""

    id: NetworkId
    nic: NicName
    prefixes: Prefixes
    gateways: PerVersion = ()
    """Production gateway addresses, inside the prefixes."""


class Replica(Document, frozen=True, kw_only=True):
    """A failed-over VM: it runs at the provider and keeps these addresses."""

    vm: VmName
    network: NetworkId
    addresses: PerVm
    macs: Annotated[tuple[MacAddress, ...], Meta(max_length=64)] = ()
    """Of its vNICs in this network; needed where the network is extended `bridged`."""


class Idle(Document, frozen=True, kw_only=True, tag_field="mode", tag="idle"):
    """No failover: nothing is extended, nothing is forwarded."""


class Partial(Document, frozen=True, kw_only=True, tag_field="mode", tag="partial"):
    """Partial site failover: these VMs run at the provider, the rest in production."""

    replicas: Annotated[tuple[Replica, ...], Meta(max_length=limits.REPLICAS)]


class RouterAdvertisements(Document, frozen=True, kw_only=True):
    """What an appliance that is a network's IPv6 gateway tells its hosts (RFC 4861, 4.2); the standard's
    defaults (6.2.1). Say here what production's router says.
    """

    send: bool = True
    managed: bool = False
    """Addresses are had by DHCPv6; the server must be among the replicas."""
    other: bool = False
    """Other settings are."""
    autonomous: bool = True
    """Hosts may make addresses of the prefix themselves (RFC 4862); said of prefixes of 64 bits only."""
    lifetime: Annotated[int, Meta(ge=4, le=9000)] = 1800
    """Seconds for which hosts keep the appliance as their default router."""


class FullNetwork(Document, frozen=True, kw_only=True):
    """A network whose production gateway addresses the provider appliance takes over."""

    network: NetworkId
    internet: bool = False
    """Whether its replicas may open connections to the internet (source NAT). Published services answer
    without it.
    """
    router_advertisements: RouterAdvertisements | UnsetType = UNSET
    """Of a network with an IPv6 gateway."""


class Full(Document, frozen=True, kw_only=True, tag_field="mode", tag="full"):
    """Full site failover: the provider appliance is the gateway of these networks and owns
    `public_addresses`.
    """

    networks: Annotated[tuple[FullNetwork, ...], Meta(max_length=limits.NETWORKS)]
    routed: Annotated[tuple[NetworkId, ...], Meta(max_length=limits.NETWORKS)] = ()
    """Networks between which packets are routed; none unless named."""


class Rehearsal(Document, frozen=True, kw_only=True, tag_field="mode", tag="rehearsal"):
    """Full failover tried out beside a running production: owns `test_addresses` instead of public ones."""

    networks: Annotated[tuple[FullNetwork, ...], Meta(max_length=limits.NETWORKS)]
    routed: Annotated[tuple[NetworkId, ...], Meta(max_length=limits.NETWORKS)] = ()
    internet: bool = False
    """Networks with `internet` reach it only when this is true."""


Failover = Idle | Partial | Full | Rehearsal
TenantFailover = Idle | Partial
"""Tenant appliances take no part in full failover: their site is gone."""


class ProviderNetwork(ProductionNetwork, frozen=True, kw_only=True):
    """One VLAN of the tenant's hardware plans, and the tunnel that extends it."""

    tunnel: TunnelServer | None = None
    hosts: Annotated[tuple[IPAddress, ...], Meta(max_length=limits.HOSTS)] = ()
    """Known addresses of the network, of replicas and others. Where those that are no replicas live is told
    to the replicas when it changes; without it they find out when their neighbour caches have expired.
    """


class ProviderRole(Document, frozen=True, kw_only=True, tag_field="kind", tag="provider"):
    """One appliance per tenant and host: the provider's production network plus a vNIC per VLAN."""

    tenant: TenantId
    uplink: NicName
    networks: Annotated[tuple[ProviderNetwork, ...], Meta(max_length=limits.NETWORKS)]
    failover: Failover = Idle()
    public_addresses: Allocation = ()
    """The tenant's allocation; owned, that is on the uplink and announced, in full failover only."""
    test_addresses: Allocation = ()
    """Stand in for public addresses in rehearsal."""
    denied: Sources = ()
    """The provider's own networks, which replicas never reach; the uplink's are always among them."""
    claims: Claims | UnsetType = UNSET


class TenantRole(Document, frozen=True, kw_only=True, tag_field="kind", tag="tenant"):
    """One appliance per production IP network."""

    tenant: TenantId
    network: ProductionNetwork
    tunnel: TunnelClient | None = None
    failover: TenantFailover = Idle()
    claims: Claims | UnsetType = UNSET


class GatewayTunnel(Document, frozen=True, kw_only=True):
    """Where the gateway sends one tunnel: the provider appliance's server."""

    tenant: TenantId
    tunnel: TunnelId
    server: IPAddress
    second_server: IPAddress | None = None
    """The server's address of the other IP version: UDP flows that come in by that version go there."""
    port: UnprivilegedPort
    client_name: Name
    """Common name of the tenant appliance's certificate, for the TCP fallback."""
    tls_crypt_tags: Annotated[tuple[KeyTag, ...], Meta(max_length=4)] = ()
    """Tags of the client keys that may open this tunnel; more than one while a key is replaced. Without any,
    every key of the tenant that names the tunnel may, and first packets of all such tunnels share a narrow
    budget.
    """
    revoked: Revoked | UnsetType = UNSET
    """Of the client, for the TCP fallback; connections that are open are ended by the server. Over UDP no
    certificate is seen here: a key is revoked by leaving out its tag.
    """


class GatewayTenant(Document, frozen=True, kw_only=True):
    """A tenant as the gateway knows it: the key its first packets are checked with, and its VPN CA."""

    id: TenantId
    tls_crypt: Secret
    ca: Authority


class GatewayRole(Document, frozen=True, kw_only=True, tag_field="kind", tag="gateway"):
    """The cloud gateway: one public port that the tunnels of all tenants share."""

    public: NicName
    inside: NicName
    key: KeyName
    certificate: Pem
    """The gateway's TLS server certificate for the TCP fallback."""
    tenants: Annotated[tuple[GatewayTenant, ...], Meta(max_length=limits.TENANTS)]
    tunnels: Annotated[tuple[GatewayTunnel, ...], Meta(max_length=limits.TUNNELS)]
    port: Port = 6180


Role = ProviderRole | TenantRole | GatewayRole


class Desired(Document, frozen=True, kw_only=True):
    """All that one appliance should be. Sent whole; equal generations must be equal documents."""

    appliance: ApplianceId
    generation: Generation
    epoch: Epoch
    management: Management
    nics: Annotated[tuple[Nic, ...], Meta(max_length=limits.NICS)]
    role: Role
    vlans: Annotated[tuple[Vlan, ...], Meta(max_length=limits.VLANS)] = ()
