"""Documents and scalars of the contract as hypothesis strategies: every well-typed value, sensible or not."""

from __future__ import annotations

import ipaddress
from typing import TypeVar

from hypothesis import strategies as st

from causeway_wire import desired
from causeway_wire.types import IPAddress, IPInterface, IPNetwork, Secret

T = TypeVar("T")

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?", fullmatch=True)
MACS = st.from_regex(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", fullmatch=True)
PORTS = st.integers(1, 65535)
HIGH_PORTS = st.integers(1024, 65535)
PEMS = st.text(max_size=40)
SECRETS = st.builds(Secret, st.text(min_size=8, max_size=40))
ADDRESSES: st.SearchStrategy[IPAddress] = st.one_of(
    st.builds(ipaddress.IPv4Address, st.integers(0, 2**32 - 1)),
    # Those of IPv4 in IPv6's clothes are refused (RFC 4291, 2.5.5.2): from 2^48 on there are none.
    st.builds(ipaddress.IPv6Address, st.integers(2**48, 2**128 - 1)),
)


def _interface(address: IPAddress, share: int) -> IPInterface:
    return ipaddress.ip_interface(f"{address}/{share * address.max_prefixlen // 128}")


INTERFACES: st.SearchStrategy[IPInterface] = st.builds(_interface, ADDRESSES, st.integers(0, 128))


def _network(interface: IPInterface) -> IPNetwork:
    return interface.network


NETWORKS: st.SearchStrategy[IPNetwork] = st.builds(_network, INTERFACES)


def few(element: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    """Tuples of none to three."""
    return st.lists(element, max_size=3).map(tuple)


INNER = st.builds(desired.InnerAddresses, local=ADDRESSES, peer=ADDRESSES)
REPLICAS = st.builds(desired.Replica, vm=NAMES, network=NAMES, addresses=few(ADDRESSES), macs=few(MACS))
TENANT_FAILOVERS: st.SearchStrategy[desired.TenantFailover] = st.one_of(
    st.just(desired.Idle()), st.builds(desired.Partial, replicas=few(REPLICAS))
)
FULL_NETWORKS = few(st.builds(desired.FullNetwork, network=NAMES, internet=st.booleans()))
FAILOVERS: st.SearchStrategy[desired.Failover] = st.one_of(
    TENANT_FAILOVERS,
    st.builds(desired.Full, networks=FULL_NETWORKS, routed=few(NAMES)),
    st.builds(desired.Rehearsal, networks=FULL_NETWORKS, routed=few(NAMES), internet=st.booleans()),
)
SERVERS = st.builds(
    desired.TunnelServer,
    id=NAMES,
    inner=few(INNER),
    listen=ADDRESSES,
    port=HIGH_PORTS,
    key=NAMES,
    certificate=PEMS,
    ca=PEMS,
    peer_name=NAMES,
    tls_crypt=SECRETS,
    extension=st.sampled_from(desired.Extension),
)
CLIENTS = st.builds(
    desired.TunnelClient,
    id=NAMES,
    inner=few(INNER),
    remotes=few(st.builds(desired.Remote, address=ADDRESSES, port=PORTS)),
    key=NAMES,
    certificate=PEMS,
    ca=PEMS,
    peer_name=NAMES,
    tls_crypt=SECRETS,
    gateway_ca=PEMS,
    gateway_name=NAMES,
    extension=st.sampled_from(desired.Extension),
)
PRODUCTION = st.builds(
    desired.ProductionNetwork, id=NAMES, nic=NAMES, prefixes=few(NETWORKS), gateways=few(ADDRESSES)
)
ROLES = st.one_of(
    st.builds(
        desired.ProviderRole,
        tenant=NAMES,
        uplink=NAMES,
        networks=few(
            st.builds(
                desired.ProviderNetwork,
                id=NAMES,
                nic=NAMES,
                prefixes=few(NETWORKS),
                gateways=few(ADDRESSES),
                tunnel=st.one_of(st.none(), SERVERS),
            )
        ),
        failover=FAILOVERS,
        public_addresses=few(ADDRESSES),
        test_addresses=few(ADDRESSES),
        denied=few(NETWORKS),
    ),
    st.builds(
        desired.TenantRole,
        tenant=NAMES,
        network=PRODUCTION,
        tunnel=st.one_of(st.none(), CLIENTS),
        failover=TENANT_FAILOVERS,
    ),
    st.builds(
        desired.GatewayRole,
        public=NAMES,
        inside=NAMES,
        key=NAMES,
        certificate=PEMS,
        tenants=few(st.builds(desired.GatewayTenant, id=NAMES, tls_crypt=SECRETS, ca=PEMS)),
        tunnels=few(
            st.builds(
                desired.GatewayTunnel,
                tenant=NAMES,
                tunnel=NAMES,
                server=ADDRESSES,
                port=HIGH_PORTS,
                client_name=NAMES,
            )
        ),
        port=PORTS,
    ),
)
DOCUMENTS = st.builds(
    desired.Desired,
    appliance=NAMES,
    generation=st.integers(1, 2**53 - 1),
    epoch=st.integers(0, 2**53 - 1),
    management=st.builds(
        desired.Management,
        nic=NAMES,
        address=ADDRESSES,
        sources=few(NETWORKS),
        port=PORTS,
        ssh_port=PORTS,
    ),
    nics=few(
        st.builds(
            desired.Nic,
            name=NAMES,
            mac=MACS,
            addresses=few(INTERFACES),
            gateways=few(ADDRESSES),
            mtu=st.integers(1280, 9216),
        )
    ),
    role=ROLES,
    vlans=few(
        st.builds(
            desired.Vlan,
            name=NAMES,
            trunk=NAMES,
            id=st.integers(1, 4094),
            addresses=few(INTERFACES),
            mtu=st.integers(1280, 9216),
        )
    ),
)
