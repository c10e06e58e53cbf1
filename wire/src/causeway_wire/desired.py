"""The desired document: everything one appliance should be, whole, numbered by its controller.

The failover mode is a tagged union, so that two failover types at once cannot be written down (seed,
limitation 1). Addresses of the appliance belong to its NICs; what the role says refers to NICs by name.
"""

from __future__ import annotations

from msgspec import Struct

from causeway_wire.types import (
    ApplianceId,
    Epoch,
    Generation,
    IPAddress,
    IPInterface,
    IPNetwork,
    KeyName,
    MacAddress,
    Mtu,
    Name,
    NetworkId,
    NicName,
    Pem,
    Port,
    Secret,
    TenantId,
    TunnelId,
    UnprivilegedPort,
    VmName,
)


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every request type: immutable, unknown members refused."""


class Nic(Document, frozen=True, kw_only=True):
    """A virtual network adapter, found by its MAC address (the only name a hypervisor and a guest share)."""

    name: NicName
    mac: MacAddress
    addresses: tuple[IPInterface, ...] = ()
    gateways: tuple[IPAddress, ...] = ()
    """Default gateways, at most one per family; the appliance's own default route."""
    mtu: Mtu = 1500


class Management(Document, frozen=True, kw_only=True):
    """Where the agent and SSH listen, and for whom. Nothing else of the appliance listens there."""

    nic: NicName
    address: IPAddress
    sources: tuple[IPNetwork, ...]
    """Prefixes allowed to open connections to the agent and to SSH."""
    port: Port = 8443
    ssh_port: Port = 22


class InnerAddresses(Document, frozen=True, kw_only=True):
    """The two ends of a tunnel, seen from one of them. Only errors (ICMP) ever carry these addresses."""

    local: IPAddress
    peer: IPAddress


class TunnelServer(Document, frozen=True, kw_only=True):
    """The provider's end of one network's tunnel: an OpenVPN server, UDP and TCP on the same port number."""

    id: TunnelId
    inner: tuple[InnerAddresses, ...]
    """One pair per family carried."""
    listen: IPAddress
    port: UnprivilegedPort
    """Odd, from 1195 upward, one per network (peers.md, behaviour 47)."""
    key: KeyName
    """Name of the key born on this appliance (`POST /v1/identity/csr`)."""
    certificate: Pem
    ca: Pem
    peer_name: Name
    """The only subject common name accepted from the client."""
    tls_crypt: Secret
    """tls-crypt-v2 server key, PEM."""


class Remote(Document, frozen=True, kw_only=True):
    """One cloud gateway that leads to the tunnel's server; tried in order."""

    address: IPAddress
    port: Port = 6180


class TunnelClient(Document, frozen=True, kw_only=True):
    """The tenant's end of one network's tunnel: an OpenVPN client that knows several gateways."""

    id: TunnelId
    inner: tuple[InnerAddresses, ...]
    remotes: tuple[Remote, ...]
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


class ProductionNetwork(Document, frozen=True, kw_only=True):
    """An IP network of the tenant's production site."""

    id: NetworkId
    nic: NicName
    prefixes: tuple[IPNetwork, ...]
    gateways: tuple[IPAddress, ...] = ()
    """Production gateway addresses, inside the prefixes."""


class Replica(Document, frozen=True, kw_only=True):
    """A failed-over VM: it runs at the provider and keeps these addresses."""

    vm: VmName
    network: NetworkId
    addresses: tuple[IPAddress, ...]


class Idle(Document, frozen=True, kw_only=True, tag_field="mode", tag="idle"):
    """No failover: nothing is extended, nothing is forwarded."""


class Partial(Document, frozen=True, kw_only=True, tag_field="mode", tag="partial"):
    """Partial site failover: these VMs run at the provider, the rest in production."""

    replicas: tuple[Replica, ...]


Failover = Idle | Partial


class ProviderNetwork(ProductionNetwork, frozen=True, kw_only=True):
    """One VLAN of the tenant's hardware plans, and the tunnel that extends it."""

    tunnel: TunnelServer | None = None


class ProviderRole(Document, frozen=True, kw_only=True, tag_field="kind", tag="provider"):
    """One appliance per tenant and host: the provider's production network plus a vNIC per VLAN."""

    tenant: TenantId
    uplink: NicName
    networks: tuple[ProviderNetwork, ...]
    failover: Failover = Idle()


class TenantRole(Document, frozen=True, kw_only=True, tag_field="kind", tag="tenant"):
    """One appliance per production IP network."""

    tenant: TenantId
    network: ProductionNetwork
    tunnel: TunnelClient | None = None
    failover: Failover = Idle()


class GatewayTunnel(Document, frozen=True, kw_only=True):
    """Where the gateway sends one tunnel: the provider appliance's server."""

    tenant: TenantId
    tunnel: TunnelId
    server: IPAddress
    port: UnprivilegedPort
    client_name: Name
    """Common name of the tenant appliance's certificate, for the TCP fallback."""


class GatewayTenant(Document, frozen=True, kw_only=True):
    """A tenant as the gateway knows it: the key its first packets are checked with, and its VPN CA."""

    id: TenantId
    tls_crypt: Secret
    ca: Pem


class GatewayRole(Document, frozen=True, kw_only=True, tag_field="kind", tag="gateway"):
    """The cloud gateway: one public port that the tunnels of all tenants share."""

    public: NicName
    inside: NicName
    key: KeyName
    certificate: Pem
    """The gateway's TLS server certificate for the TCP fallback."""
    tenants: tuple[GatewayTenant, ...]
    tunnels: tuple[GatewayTunnel, ...]
    port: Port = 6180


Role = ProviderRole | TenantRole | GatewayRole


class Desired(Document, frozen=True, kw_only=True):
    """All that one appliance should be. Sent whole; equal generations must be equal documents."""

    appliance: ApplianceId
    generation: Generation
    epoch: Epoch
    management: Management
    nics: tuple[Nic, ...]
    role: Role
