"""An inventory to test with: one tenant, two networks, four VMs, two gateways."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import (
    Adapter,
    Gateway,
    GatewayCredentials,
    ManagementAccess,
    Network,
    ProviderAppliance,
    Site,
    Tenant,
    TenantAppliance,
    TenantCredentials,
    TunnelCredentials,
    Vm,
)
from causeway_controller.trust import tls_crypt
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import IPAddress, TenantId, VmName

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PUBLIC, TEST = 66, 99
SERVER_KEY = tls_crypt.make_server_key()
CLIENT_KEY = tls_crypt.make_client_key(SERVER_KEY, tls_crypt.Claim(tenant="acme", tunnel="acme-0"))


def site(*, networks: int = 2, vms_per_network: int = 2, gateways: int = 2, ipv6: bool = True) -> Site:
    """A site that can fail everything over; tenant `acme`, VMs `vm-0-0` ..."""
    numbers = range(networks)
    tenant = Tenant(
        id="acme",
        networks={f"net-{n}": _network(n, ipv6=ipv6) for n in numbers},
        provider=ProviderAppliance(
            id="acme-provider",
            management=_access("uplink", "198.51.100.10"),
            uplink=Adapter(name="uplink", mac=_mac(0), addresses=(ip_interface("198.51.100.10/24"),)),
            vlans={f"net-{n}": _vlan(n, ipv6=ipv6) for n in numbers},
        ),
        appliances={f"net-{n}": _appliance(n, ipv6=ipv6) for n in numbers},
        vms={
            f"vm-{n}-{i}": Vm(name=f"vm-{n}-{i}", network=f"net-{n}", addresses=_hosts(n, 20 + i, ipv6=ipv6))
            for n in numbers
            for i in range(vms_per_network)
        },
        routed=tuple(f"net-{n}" for n in numbers),
        public_addresses=_outside(PUBLIC, ipv6=ipv6),
        test_addresses=_outside(TEST, ipv6=ipv6),
        publications=tuple(
            PublicRule(
                id=f"web-{address.version}",
                public_address=address,
                public_port=8080,
                internal_address=internal,
                internal_port=80,
            )
            for address, internal in zip(_outside(PUBLIC, ipv6=ipv6), _hosts(0, 20, ipv6=ipv6), strict=True)
        ),
    )
    tunnels = {f"acme-{n}": _tunnel(n) for n in numbers}
    ids = [f"gateway-{g}" for g in range(gateways)]
    return Site(
        tenants={"acme": tenant},
        gateways=tuple(_gateway(g) for g in range(gateways)),
        credentials={"acme": TenantCredentials(ca=CERTIFICATE, tls_crypt=SERVER_KEY, tunnels=tunnels)},
        gateway_credentials=GatewayCredentials(ca=CERTIFICATE, certificates=dict.fromkeys(ids, CERTIFICATE)),
    )


def _hosts(n: int, host: int, *, ipv6: bool) -> tuple[IPAddress, ...]:
    both = (ip_address(f"192.168.{n}.{host}"), ip_address(f"2001:db8:{n:x}::{host:x}"))
    return both if ipv6 else both[:1]


def _outside(host: int, *, ipv6: bool) -> tuple[IPAddress, ...]:
    """A public or test address of each family."""
    both = (ip_address(f"198.51.100.{host}"), ip_address(f"2001:db8:51::{host:x}"))
    return both if ipv6 else both[:1]


def _network(n: int, *, ipv6: bool) -> Network:
    prefixes = (ip_network(f"192.168.{n}.0/24"), ip_network(f"2001:db8:{n:x}::/64"))
    inner = (
        (ip_address(f"100.64.{n}.1"), ip_address(f"100.64.{n}.2")),
        (ip_address(f"fd00:{n:x}::1"), ip_address(f"fd00:{n:x}::2")),
    )
    return Network(
        id=f"net-{n}",
        prefixes=prefixes if ipv6 else prefixes[:1],
        gateways=_hosts(n, 1, ipv6=ipv6),
        tunnel=f"acme-{n}",
        inner=inner if ipv6 else inner[:1],
        port=1195 + 2 * n,
        internet=n == 0,
    )


def _vlan(n: int, *, ipv6: bool) -> Adapter:
    addresses = [ip_interface(f"{a}/{24 if a.version == 4 else 64}") for a in _hosts(n, 250, ipv6=ipv6)]
    return Adapter(name=f"vlan-{n}", mac=_mac(n + 1), addresses=tuple(addresses))


def _appliance(n: int, *, ipv6: bool) -> TenantAppliance:
    addresses = [ip_interface(f"{a}/{24 if a.version == 4 else 64}") for a in _hosts(n, 251, ipv6=ipv6)]
    nic = Adapter(name="lan", mac=_mac(n + 33), addresses=tuple(addresses), gateways=_hosts(n, 1, ipv6=ipv6))
    return TenantAppliance(
        id=f"acme-tenant-{n}", management=_access("lan", f"192.168.{n}.251"), network=f"net-{n}", nic=nic
    )


def _gateway(g: int) -> Gateway:
    return Gateway(
        id=f"gateway-{g}",
        management=_access("inside", f"198.51.100.{g + 200}"),
        public=Adapter(
            name="public",
            mac=_mac(g + 64),
            addresses=(ip_interface(f"203.0.113.{g + 1}/24"), ip_interface(f"2001:db8:ff::{g + 1:x}/64")),
        ),
        inside=Adapter(
            name="inside", mac=_mac(g + 96), addresses=(ip_interface(f"198.51.100.{g + 200}/24"),)
        ),
        name="gateway.example.net",
    )


def _tunnel(n: int) -> TunnelCredentials:
    return TunnelCredentials(
        server_certificate=CERTIFICATE,
        client_certificate=CERTIFICATE,
        server_name=f"server-{n}.acme",
        client_name=f"client-{n}.acme",
        client_tls_crypt=CLIENT_KEY,
    )


def _access(nic: str, address: str) -> ManagementAccess:
    sources = (ip_network("198.51.100.0/24"),)
    return ManagementAccess(nic=nic, address=ip_address(address), sources=sources)


def _mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def with_failed_over(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Site:
    """The site with exactly these VMs of the tenant in partial failover."""
    return tenancy.with_mode(site, tenant, modes.partial(vms))
