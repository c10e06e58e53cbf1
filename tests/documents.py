"""Documents that can be meant, as builders and as hypothesis strategies, and the machine they fit."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address, ip_interface, ip_network
from typing import TypeVar

import msgspec
from hypothesis import strategies as st

from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import (
    Desired,
    Extension,
    Failover,
    Full,
    FullNetwork,
    GatewayRole,
    GatewayTenant,
    GatewayTunnel,
    Idle,
    InnerAddresses,
    Management,
    Nic,
    Partial,
    ProductionNetwork,
    ProviderNetwork,
    ProviderRole,
    Rehearsal,
    Remote,
    Replica,
    Role,
    TenantFailover,
    TenantRole,
    TunnelClient,
    TunnelServer,
    Vlan,
)
from causeway_wire.observed import Transport
from causeway_wire.types import Secret

APPLIANCE = "appliance-1"
DEVICES = {f"02:00:00:00:00:0{index}": f"eth{index}" for index in range(4)}
MACS = tuple(DEVICES)
FACTS = Facts(
    appliance=APPLIANCE,
    devices=DEVICES,
    vpn_uid=990,
    key_directory="/var/lib/causeway/keys",
    run_directory="/run/causeway",
    vlan_8021q=True,
)
PUBLIC = ("198.51.100.10", "198.51.100.11", "2001:db8:f::10")
"""The tenant's public addresses, and those that stand in for them in a rehearsal."""
TEST = ("198.51.100.90", "2001:db8:f::90")
Tunnel = TypeVar("Tunnel", TunnelServer | None, TunnelClient | None)
Mode = TypeVar("Mode", Failover, TenantFailover)
replace = msgspec.structs.replace
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def tls_crypt(kind: str) -> Secret:
    """A tls-crypt-v2 key of this kind ("server" or "client") by shape."""
    label = f"OpenVPN tls-crypt-v2 {kind} key"
    return Secret(f"-----BEGIN {label}-----\nc2VjcmV0\n-----END {label}-----\n")


def management(
    address: str = "10.9.0.2", *, nic: str = "uplink", sources: tuple[str, ...] = ("10.9.0.0/24",)
) -> Management:
    """The management door."""
    return Management(nic=nic, address=ip_address(address), sources=tuple(map(ip_network, sources)))


def nic(name: str, index: int, *addresses: str, gateways: tuple[str, ...] = ()) -> Nic:
    """Adapter number `index` of the machine."""
    return Nic(
        name=name,
        mac=MACS[index],
        addresses=tuple(map(ip_interface, addresses)),
        gateways=tuple(map(ip_address, gateways)),
    )


def document(role: Role, nics: tuple[Nic, ...], *, door: Management | None = None) -> Desired:
    """A document for this machine."""
    return Desired(
        appliance=APPLIANCE, generation=1, epoch=1, management=door or management(), nics=nics, role=role
    )


def replica(index: int, network: str, *addresses: str) -> Replica:
    """A failed-over VM."""
    return Replica(vm=f"vm-{network}-{index}", network=network, addresses=tuple(map(ip_address, addresses)))


def server(index: int, *, listen: str = "10.9.0.2") -> TunnelServer:
    """The tunnel of provider network `index`."""
    pairs = (
        InnerAddresses(local=ip_address(f"100.64.{index}.1"), peer=ip_address(f"100.64.{index}.2")),
        InnerAddresses(local=ip_address(f"fd64:{index}::1"), peer=ip_address(f"fd64:{index}::2")),
    )
    return TunnelServer(
        id=f"acme-{index}",
        inner=pairs,
        listen=ip_address(listen),
        port=1195 + 2 * index,
        key="vpn",
        certificate=CERTIFICATE,
        ca=CERTIFICATE,
        peer_name=f"acme-tenant-{index}",
        tls_crypt=tls_crypt("server"),
    )


def provider_network(index: int, *, extended: bool = True) -> ProviderNetwork:
    """Provider network `index`, on a VLAN's adapter of its own."""
    return ProviderNetwork(
        id=f"net-{index}",
        nic=f"vlan-{index}",
        prefixes=(ip_network(f"192.168.{index}.0/24"), ip_network(f"2001:db8:{index}::/64")),
        gateways=(ip_address(f"192.168.{index}.1"), ip_address(f"2001:db8:{index}::1")),
        tunnel=server(index) if extended else None,
    )


def provider(
    failover: Failover | None = None,
    *,
    networks: tuple[ProviderNetwork, ...] | None = None,
    door: Management | None = None,
    public: tuple[str, ...] = PUBLIC,
    denied: tuple[str, ...] = (),
) -> Desired:
    """A provider appliance with two extended networks."""
    uplink = nic("uplink", 0, "10.9.0.2/24", "10.9.0.3/24", gateways=("10.9.0.1",))
    vlans = tuple(
        nic(f"vlan-{index}", index + 1, f"192.168.{index}.5/24", f"2001:db8:{index}::5/64")
        for index in range(2)
    )
    role = ProviderRole(
        tenant="acme",
        uplink="uplink",
        networks=networks or (provider_network(0), provider_network(1)),
        failover=failover or Idle(),
        public_addresses=tuple(map(ip_address, public)),
        test_addresses=tuple(map(ip_address, TEST)),
        denied=tuple(map(ip_network, denied)),
    )
    return document(role, (uplink, *vlans), door=door)


def full(*networks: str, internet: bool = True, routed: tuple[str, ...] = ()) -> Full:
    """Full failover of these networks."""
    return Full(networks=_full_networks(networks, internet=internet), routed=routed)


def rehearsal(*networks: str, internet: bool = False, routed: tuple[str, ...] = ()) -> Rehearsal:
    """A rehearsal of these networks."""
    return Rehearsal(networks=_full_networks(networks, internet=True), routed=routed, internet=internet)


def _full_networks(names: tuple[str, ...], *, internet: bool) -> tuple[FullNetwork, ...]:
    return tuple(FullNetwork(network=name, internet=internet) for name in names)


def trunked(whole: Desired) -> Desired:
    """The same provider appliance with its VLANs on one trunk, which is the first of its VLAN adapters."""
    uplink, *tagged = whole.nics
    trunk = Nic(name="trunk", mac=tagged[0].mac)
    vlans = tuple(
        Vlan(name=each.name, trunk="trunk", id=100 + index, addresses=each.addresses, mtu=each.mtu)
        for index, each in enumerate(tagged)
    )
    return msgspec.structs.replace(whole, nics=(uplink, trunk), vlans=vlans)


def client(*, remotes: tuple[str, ...] = ("203.0.113.1", "203.0.113.2")) -> TunnelClient:
    """The tenant's end of the tunnel of network 0."""
    here = server(0)
    return TunnelClient(
        id=here.id,
        inner=tuple(InnerAddresses(local=pair.peer, peer=pair.local) for pair in here.inner),
        remotes=tuple(Remote(address=ip_address(remote)) for remote in remotes),
        key="vpn",
        certificate=CERTIFICATE,
        ca=CERTIFICATE,
        peer_name="acme-provider",
        tls_crypt=tls_crypt("client"),
        gateway_ca=CERTIFICATE,
        gateway_name="gateway.example",
    )


def tenant(
    failover: TenantFailover | None = None,
    *,
    tunnel: TunnelClient | None = None,
    door: Management | None = None,
) -> Desired:
    """A tenant appliance of production network 0, managed over that network."""
    network = ProductionNetwork(
        id="net-0",
        nic="production",
        prefixes=(ip_network("192.168.0.0/24"), ip_network("2001:db8:0::/64")),
        gateways=(ip_address("192.168.0.1"), ip_address("2001:db8:0::1")),
    )
    production = nic(
        "production",
        1,
        "192.168.0.6/24",
        "2001:db8:0::6/64",
        gateways=("192.168.0.1", "2001:db8:0::1"),
    )
    role = TenantRole(tenant="acme", network=network, tunnel=tunnel or client(), failover=failover or Idle())
    return document(
        role, (production,), door=door or management("192.168.0.6", nic="production", sources=("0.0.0.0/0",))
    )


def bridged(whole: Desired) -> Desired:
    """The same appliance with network 0 extended bridged: its adapter there has no addresses, and a tenant
    appliance has another one that has.
    """
    role = whole.role
    if isinstance(role, ProviderRole):
        first, *others = role.networks
        networks = (replace(first, tunnel=_bridged(first.tunnel)), *others)
        nics = tuple(replace(nic, addresses=()) if nic.name == "vlan-0" else nic for nic in whole.nics)
        changed: Role = replace(role, networks=networks, failover=_with_macs(role.failover))
    else:
        assert isinstance(role, TenantRole)
        network = replace(role.network, nic="extension")
        failover = _with_macs(role.failover)
        changed = replace(role, network=network, tunnel=_bridged(role.tunnel), failover=failover)
        nics = (*whole.nics, nic("extension", 3))
    return replace(whole, nics=nics, role=changed)


def mac_of(replica: Replica) -> str:
    """The MAC address of a failed-over VM."""
    return f"02:00:00:00:01:{int(replica.vm.rpartition('-')[2]):02x}"


def _bridged(tunnel: Tunnel) -> Tunnel:
    return None if tunnel is None else replace(tunnel, extension=Extension.BRIDGED, inner=())


def _with_macs(failover: Mode) -> Mode:
    if not isinstance(failover, Partial):
        return failover
    replicas = (replace(each, macs=(mac_of(each),)) for each in failover.replicas)
    return replace(failover, replicas=tuple(replicas))


def gateway_tunnel(index: int, *, tenant: str = "acme") -> GatewayTunnel:
    """A tunnel through the gateway."""
    return GatewayTunnel(
        tenant=tenant,
        tunnel=f"{tenant}-{index}",
        server=ip_address("10.9.0.20"),
        port=1195 + 2 * index,
        client_name=f"{tenant}-tenant-{index}",
        tls_crypt_tags=(key_tag(index, tenant=tenant),),
    )


def key_tag(index: int, *, tenant: str = "acme") -> str:
    """The tag of the client key of a tunnel through the gateway."""
    return hashlib.sha256(f"{tenant} {index}".encode()).hexdigest()


def gateway(*tunnels: GatewayTunnel, door: Management | None = None) -> Desired:
    """A cloud gateway for two tenants."""
    role = GatewayRole(
        public="public",
        inside="uplink",
        key="gateway",
        certificate=CERTIFICATE,
        tenants=tuple(
            GatewayTenant(id=tenant, tls_crypt=tls_crypt("server"), ca=CERTIFICATE)
            for tenant in ("acme", "globex")
        ),
        tunnels=tunnels,
    )
    public = nic("public", 1, "203.0.113.10/24", "2001:db8:f::10/64", gateways=("203.0.113.1",))
    return document(role, (nic("uplink", 0, "10.9.0.2/24", "10.9.0.3/24"), public), door=door)


_DOORS = st.builds(
    management,
    st.sampled_from(["10.9.0.2", "10.9.0.3"]),
    sources=st.sampled_from([("10.9.0.0/24",), ("10.0.0.0/8", "10.9.0.0/16"), ("172.16.0.0/12",)]),
)


def _partials(networks: int) -> st.SearchStrategy[TenantFailover]:
    every = [
        replica(host, f"net-{network}", *addresses)
        for network in range(networks)
        for host in (20, 21)
        for addresses in [(f"192.168.{network}.{host}", f"2001:db8:{network}::{host}")]
    ]
    chosen = st.lists(st.sampled_from(every), unique=True).map(lambda some: Partial(replicas=tuple(some)))
    return st.one_of(st.just(Idle()), chosen)


_FULL_NETWORKS = st.lists(
    st.builds(FullNetwork, network=st.sampled_from(["net-0", "net-1"]), internet=st.booleans()),
    min_size=1,
    unique_by=lambda entry: entry.network,
).map(tuple)


@st.composite
def _takeovers(draw: st.DrawFn) -> Failover:
    """Full failovers and rehearsals of one or both networks, routed between when there are two."""
    networks = draw(_FULL_NETWORKS)
    routed: tuple[str, ...] = ()
    if len(networks) > 1 and draw(st.booleans()):
        routed = tuple(entry.network for entry in networks)
    if draw(st.booleans()):
        return Full(networks=networks, routed=routed)
    return Rehearsal(networks=networks, routed=routed, internet=draw(st.booleans()))


FAILOVERS: st.SearchStrategy[Failover] = st.one_of(_partials(2), _takeovers())
"""All four modes of a provider appliance with two networks."""
_OWNED = st.sampled_from([PUBLIC, PUBLIC[:1], (*PUBLIC, "10.9.0.3"), ()])
"""Public addresses, once with an address that the uplink has anyway."""
PROVIDERS = st.builds(
    provider,
    FAILOVERS,
    door=_DOORS,
    public=_OWNED,
    denied=st.sampled_from([(), ("10.0.0.0/8",), ("10.20.0.0/16", "fd99::/16")]),
)
TENANTS = st.builds(
    tenant,
    _partials(1),
    tunnel=st.builds(client, remotes=st.sampled_from([("203.0.113.1",), ("203.0.113.2", "203.0.113.1")])),
)
GATEWAYS = st.builds(
    lambda tunnels, door: gateway(*tunnels, door=door),
    st.lists(
        st.sampled_from([gateway_tunnel(0), gateway_tunnel(1), gateway_tunnel(5, tenant="globex")]),
        unique=True,
    ),
    _DOORS,
)
TRUNKED = PROVIDERS.map(trunked)
BRIDGED = st.one_of(PROVIDERS, TENANTS).map(bridged)
MEANT = st.one_of(PROVIDERS, TRUNKED, TENANTS, BRIDGED, GATEWAYS)
"""Documents that compile with `FACTS`."""
ACTIVE = st.dictionaries(st.sampled_from(["acme-0", "acme-1"]), st.sampled_from(list(Transport)))
"""Transports over which clients are connected."""
