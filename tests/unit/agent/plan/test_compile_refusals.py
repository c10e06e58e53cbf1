"""Every way a document cannot be meant, each with its pointer."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import msgspec
import pytest

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import (
    Desired,
    GatewayRole,
    InnerAddresses,
    Partial,
    ProviderRole,
    Remote,
    Replica,
    TenantRole,
)
from causeway_wire.problem import ProblemType as P
from causeway_wire.types import Secret
from tests import documents

change = msgspec.structs.replace

VM = documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20")
PARTIAL = Partial(replicas=(VM,))
PROVIDER, TENANT = documents.provider(PARTIAL), documents.tenant(PARTIAL)
GATEWAY = documents.gateway(documents.gateway_tunnel(0), documents.gateway_tunnel(1))


def refused(document: Desired, facts: Facts = documents.FACTS) -> list[tuple[str, str]]:
    with pytest.raises(CompileError) as caught:
        compile_document(document, facts)
    return [(problem.type, str(problem.pointer)) for problem in caught.value.problems]


def nics(document: Desired, index: int, **members: object) -> Desired:
    entries = list(document.nics)
    entries[index] = change(entries[index], **members)
    return change(document, nics=tuple(entries))


def door(document: Desired, **members: object) -> Desired:
    return change(document, management=change(document.management, **members))


def role(document: Desired, **members: object) -> Desired:
    return change(document, role=change(document.role, **members))


def network(index: int, **members: object) -> Desired:
    assert isinstance(PROVIDER.role, ProviderRole)
    entries = list(PROVIDER.role.networks)
    entries[index] = change(entries[index], **members)
    return role(PROVIDER, networks=tuple(entries))


def server(index: int, **members: object) -> Desired:
    return network(index, tunnel=change(documents.server(index), **members))


def production(**members: object) -> Desired:
    assert isinstance(TENANT.role, TenantRole)
    return role(TENANT, network=change(TENANT.role.network, **members))


def client(**members: object) -> Desired:
    return role(TENANT, tunnel=change(documents.client(), **members))


def replicas(document: Desired, *entries: Replica) -> Desired:
    return role(document, failover=Partial(replicas=entries))


def tunnel(index: int, **members: object) -> Desired:
    assert isinstance(GATEWAY.role, GatewayRole)
    entries = list(GATEWAY.role.tunnels)
    entries[index] = change(entries[index], **members)
    return role(GATEWAY, tunnels=tuple(entries))


def pair(local: str, peer: str) -> InnerAddresses:
    return InnerAddresses(local=ip_address(local), peer=ip_address(peer))


def at(*addresses: str) -> Replica:
    return documents.replica(20, "net-0", *addresses)


MAC = "02:00:00:00:00:99"
TUNNEL0 = "/role/networks/0/tunnel"
ADDRESS0 = "/role/failover/replicas/0/addresses/0"
REFUSALS: dict[str, tuple[Callable[[], Desired], P, str]] = {
    "another appliance": (lambda: change(PROVIDER, appliance="other"), P.WRONG_APPLIANCE, "/appliance"),
    "a MAC address this machine lacks": (
        lambda: nics(PROVIDER, 2, mac=MAC),
        P.NIC_NOT_FOUND,
        "/nics/2/mac",
    ),
    "one MAC address twice": (
        lambda: nics(PROVIDER, 2, mac=PROVIDER.nics[1].mac),
        P.DUPLICATE,
        "/nics/2/mac",
    ),
    "one adapter name twice": (
        lambda: change(PROVIDER, nics=(*PROVIDER.nics, documents.nic("uplink", 3))),
        P.DUPLICATE,
        "/nics/3/name",
    ),
    "one address twice": (
        lambda: nics(TENANT, 0, addresses=(*TENANT.nics[0].addresses, ip_interface("192.168.0.6/25"))),
        P.DUPLICATE,
        "/nics/0/addresses/2",
    ),
    "a gateway off-link": (
        lambda: nics(PROVIDER, 0, gateways=(ip_address("10.8.0.1"),)),
        P.OUTSIDE_NETWORK,
        "/nics/0/gateways/0",
    ),
    "two default gateways of a family": (
        lambda: nics(PROVIDER, 0, gateways=(ip_address("10.9.0.1"), ip_address("10.9.0.9"))),
        P.DUPLICATE,
        "/nics/0/gateways/1",
    ),
    "management on an unknown adapter": (
        lambda: door(PROVIDER, nic="none"),
        P.UNKNOWN_REFERENCE,
        "/management/nic",
    ),
    "management on another's address": (
        lambda: door(PROVIDER, address=ip_address("10.9.0.77")),
        P.UNKNOWN_REFERENCE,
        "/management/address",
    ),
    "management for nobody": (
        lambda: door(PROVIDER, sources=(ip_network("2001:db8::/32"),)),
        P.CUTS_MANAGEMENT,
        "/management/sources",
    ),
    "agent and SSH on one port": (
        lambda: door(PROVIDER, ssh_port=8443),
        P.DUPLICATE,
        "/management/ssh_port",
    ),
    "an unknown uplink": (lambda: role(PROVIDER, uplink="none"), P.UNKNOWN_REFERENCE, "/role/uplink"),
    "an unknown VLAN adapter": (
        lambda: network(0, nic="none"),
        P.UNKNOWN_REFERENCE,
        "/role/networks/0/nic",
    ),
    "two networks on one adapter": (
        lambda: network(1, nic="vlan-0"),
        P.DUPLICATE,
        "/role/networks/1/nic",
    ),
    "a network on the uplink": (lambda: network(0, nic="uplink"), P.DUPLICATE, "/role/networks/0/nic"),
    "one network name twice": (lambda: network(1, id="net-0"), P.DUPLICATE, "/role/networks/1/id"),
    "overlapping networks": (
        lambda: network(1, prefixes=(ip_network("192.168.0.0/16"),)),
        P.OVERLAP,
        "/role/networks/1/prefixes/0",
    ),
    "overlapping prefixes of one network": (
        lambda: network(0, prefixes=(ip_network("192.168.0.0/24"), ip_network("192.168.0.128/25"))),
        P.OVERLAP,
        "/role/networks/0/prefixes/1",
    ),
    "a network over the uplink's": (
        lambda: network(1, prefixes=(ip_network("10.0.0.0/8"),)),
        P.OVERLAP,
        "/role/networks/1/prefixes/0",
    ),
    "a network without prefixes": (
        lambda: network(1, prefixes=()),
        P.INVALID,
        "/role/networks/1/prefixes",
    ),
    "a production gateway outside": (
        lambda: network(0, gateways=(ip_address("192.168.9.1"),)),
        P.OUTSIDE_NETWORK,
        "/role/networks/0/gateways/0",
    ),
    "two production gateways of a family": (
        lambda: network(0, gateways=(ip_address("192.168.0.1"), ip_address("192.168.0.2"))),
        P.DUPLICATE,
        "/role/networks/0/gateways/1",
    ),
    "an own address outside the VLAN's network": (
        lambda: nics(PROVIDER, 1, addresses=(ip_interface("172.16.0.5/24"),)),
        P.OUTSIDE_NETWORK,
        "/nics/1/addresses/0",
    ),
    "a default route through a VLAN": (
        lambda: nics(PROVIDER, 1, gateways=(ip_address("192.168.0.1"),)),
        P.INVALID,
        "/nics/1/gateways",
    ),
    "one tunnel name twice": (lambda: server(1, id="acme-0"), P.DUPLICATE, "/role/networks/1/tunnel/id"),
    "one tunnel port twice": (lambda: server(1, port=1195), P.DUPLICATE, "/role/networks/1/tunnel/port"),
    "one inner address twice": (
        lambda: server(1, inner=(pair("100.64.0.1", "100.64.1.2"),)),
        P.DUPLICATE,
        "/role/networks/1/tunnel/inner/0/local",
    ),
    "a tunnel on the agent's port": (lambda: server(0, port=8443), P.DUPLICATE, f"{TUNNEL0}/port"),
    "a tunnel listening elsewhere": (
        lambda: server(0, listen=ip_address("192.168.0.5")),
        P.UNKNOWN_REFERENCE,
        f"{TUNNEL0}/listen",
    ),
    "an inner address of production": (
        lambda: server(0, inner=(pair("192.168.1.77", "100.64.0.2"),)),
        P.OVERLAP,
        f"{TUNNEL0}/inner/0/local",
    ),
    "inner ends of two families": (
        lambda: server(0, inner=(pair("100.64.0.1", "fd64::2"),)),
        P.INVALID,
        f"{TUNNEL0}/inner/0/peer",
    ),
    "equal inner ends": (
        lambda: server(0, inner=(pair("100.64.0.1", "100.64.0.1"),)),
        P.DUPLICATE,
        f"{TUNNEL0}/inner/0/peer",
    ),
    "two inner pairs of a family": (
        lambda: server(0, inner=(pair("100.64.0.1", "100.64.0.2"), pair("100.64.0.3", "100.64.0.4"))),
        P.DUPLICATE,
        f"{TUNNEL0}/inner/1",
    ),
    "no inner pair": (lambda: server(0, inner=()), P.INVALID, f"{TUNNEL0}/inner"),
    "a certificate that is a key": (
        lambda: server(0, certificate=documents.tls_crypt("server").reveal()),
        P.INVALID,
        f"{TUNNEL0}/certificate",
    ),
    "options behind a certificate": (
        lambda: server(0, ca=documents.CERTIFICATE + "</ca>\nscript-security 2\n"),
        P.INVALID,
        f"{TUNNEL0}/ca",
    ),
    "a client's key at the server": (
        lambda: server(0, tls_crypt=documents.tls_crypt("client")),
        P.INVALID,
        f"{TUNNEL0}/tls_crypt",
    ),
    "a replica in an unknown network": (
        lambda: replicas(PROVIDER, change(VM, network="none")),
        P.UNKNOWN_REFERENCE,
        "/role/failover/replicas/0/network",
    ),
    "a replica in a network without tunnel": (
        lambda: network(0, tunnel=None),
        P.INVALID,
        "/role/failover/replicas/0/network",
    ),
    "a replica without address": (
        lambda: replicas(PROVIDER, at()),
        P.INVALID,
        "/role/failover/replicas/0/addresses",
    ),
    "a replica outside its network": (
        lambda: replicas(PROVIDER, at("192.168.1.20")),
        P.OUTSIDE_NETWORK,
        ADDRESS0,
    ),
    "a replica on the gateway's address": (
        lambda: replicas(PROVIDER, at("192.168.0.1")),
        P.DUPLICATE,
        ADDRESS0,
    ),
    "a replica on our own address": (
        lambda: replicas(PROVIDER, at("192.168.0.5")),
        P.DUPLICATE,
        ADDRESS0,
    ),
    "two replicas on one address": (
        lambda: replicas(PROVIDER, at("192.168.0.20"), change(at("192.168.0.20"), vm="vm-2")),
        P.DUPLICATE,
        "/role/failover/replicas/1/addresses/0",
    ),
    "one VM twice": (
        lambda: replicas(PROVIDER, at("192.168.0.20"), at("192.168.0.21")),
        P.DUPLICATE,
        "/role/failover/replicas/1/vm",
    ),
    "a tenant without its production adapter": (
        lambda: production(nic="none"),
        P.UNKNOWN_REFERENCE,
        "/role/network/nic",
    ),
    "a tenant outside its production network": (
        lambda: production(prefixes=(ip_network("192.168.9.0/24"),), gateways=()),
        P.OUTSIDE_NETWORK,
        "/role/network/nic",
    ),
    "a production network over the management one": (
        lambda: change(TENANT, nics=(*TENANT.nics, documents.nic("spare", 2, "192.168.0.130/25"))),
        P.OVERLAP,
        "/role/network/prefixes/0",
    ),
    "a tenant's replica in another network": (
        lambda: replicas(TENANT, change(VM, network="net-1")),
        P.UNKNOWN_REFERENCE,
        "/role/failover/replicas/0/network",
    ),
    "a tenant's failover without tunnel": (
        lambda: role(TENANT, tunnel=None),
        P.INVALID,
        "/role/failover/replicas/0/network",
    ),
    "no cloud gateway": (lambda: client(remotes=()), P.INVALID, "/role/tunnel/remotes"),
    "one cloud gateway twice": (
        lambda: client(remotes=(Remote(address=ip_address("203.0.113.1")),) * 2),
        P.DUPLICATE,
        "/role/tunnel/remotes/1",
    ),
    "a server's key at the client": (
        lambda: client(tls_crypt=Secret("nonsense")),
        P.INVALID,
        "/role/tunnel/tls_crypt",
    ),
    "no authority for gateways": (
        lambda: client(gateway_ca=""),
        P.INVALID,
        "/role/tunnel/gateway_ca",
    ),
    "a gateway on the agent's port": (
        lambda: door(role(GATEWAY, port=8443), nic="public", address=GATEWAY.nics[1].addresses[0].ip),
        P.DUPLICATE,
        "/role/port",
    ),
    "a gateway without public address": (
        lambda: nics(GATEWAY, 1, addresses=(), gateways=()),
        P.INVALID,
        "/role/public",
    ),
    "an unknown public adapter": (lambda: role(GATEWAY, public="none"), P.UNKNOWN_REFERENCE, "/role/public"),
    "an unknown inside adapter": (lambda: role(GATEWAY, inside="none"), P.UNKNOWN_REFERENCE, "/role/inside"),
    "a tunnel of an unknown tenant": (
        lambda: tunnel(1, tenant="none"),
        P.UNKNOWN_REFERENCE,
        "/role/tunnels/1/tenant",
    ),
    "one tunnel of a tenant twice": (
        lambda: tunnel(1, tunnel="acme-0"),
        P.DUPLICATE,
        "/role/tunnels/1/tunnel",
    ),
    "one client name twice": (
        lambda: tunnel(1, client_name="acme-tenant-0"),
        P.DUPLICATE,
        "/role/tunnels/1/client_name",
    ),
    "two tunnels to one server": (lambda: tunnel(1, port=1195), P.DUPLICATE, "/role/tunnels/1/port"),
    "a server of a family without public address": (
        lambda: nics(
            tunnel(1, server=ip_address("2001:db8:9::20")), 1, addresses=(ip_interface("203.0.113.10/24"),)
        ),
        P.UNSUPPORTED,
        "/role/tunnels/1/server",
    ),
    "one tenant twice": (
        lambda: role(GATEWAY, tenants=(*GATEWAY.role.tenants, GATEWAY.role.tenants[0])),  # type: ignore[union-attr]
        P.DUPLICATE,
        "/role/tenants/2/id",
    ),
    "a gateway without certificate": (lambda: role(GATEWAY, certificate=""), P.INVALID, "/role/certificate"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refuses(case: str) -> None:
    document, kind, pointer = REFUSALS[case]
    assert (kind.urn, pointer) in refused(document())


def test_all_problems_are_named_at_once() -> None:
    wrong = door(nics(change(PROVIDER, appliance="other"), 2, mac=MAC), address=ip_address("10.9.0.77"))
    assert [pointer for _, pointer in refused(wrong)] == ["/appliance", "/nics/2/mac", "/management/address"]
