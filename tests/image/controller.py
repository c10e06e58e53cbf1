"""The controller of the machine under test, and the documents it sends."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface, ip_network

from causeway_controller.errors import AgentUnreachable
from causeway_controller.fleet import client, enrolment
from causeway_controller.trust import pki, tls_crypt
from causeway_wire.desired import (
    Desired,
    Failover,
    Full,
    FullNetwork,
    GatewayRole,
    GatewayTenant,
    GatewayTunnel,
    Idle,
    InnerAddresses,
    Nic,
    Partial,
    ProviderNetwork,
    ProviderRole,
    Replica,
    Role,
    TunnelServer,
    Vlan,
)
from causeway_wire.identity import Purpose
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Secret
from image.subject import ADDRESS, APPLIANCE, TRUNK_MAC, Subject

LOOPBACK = ip_address("127.0.0.1")
TUNNEL_PORT = 1195
NETWORK, VLAN_ID, OTHER_VLAN_ID = "net-0", 100, 101
PREFIX, OWN, GATEWAY, REPLICA = "192.168.7.0/24", "192.168.7.5/24", "192.168.7.1", "192.168.7.20"
SERVER = "10.0.2.77"
"""Of a provider appliance behind it, as a cloud gateway."""
PUBLIC = "203.0.113.1"
"""Of the machine as a cloud gateway."""
SECONDS = 60.0


async def enrol(machine: Subject) -> None:
    """Its first certificate, in exchange for the token of its seed, unless it has one."""
    with contextlib.suppress(AgentUnreachable):
        async with open_agent(machine) as known:
            await known.versions()
            return
    await enrolment.enrol(
        appliance=APPLIANCE,
        address=LOOPBACK,
        port=machine.api_port,
        token=Secret(machine.token),
        identity=machine.identity,
        authority=machine.authority,
        now=datetime.now(UTC),
    )


def open_agent(machine: Subject) -> client.AgentClient:
    """The enrolled machine's agent."""
    return client.open_agent(
        appliance=APPLIANCE, address=LOOPBACK, port=machine.api_port, identity=machine.identity
    )


async def send(agent: client.AgentClient, machine: Subject, role: Role) -> None:
    """Make it this; raises when it is not all done in time."""
    trunk = Nic(name="trunk", mac=TRUNK_MAC)
    vlans: tuple[Vlan, ...] = (
        Vlan(name="vlan-0", trunk="trunk", id=VLAN_ID, addresses=(ip_interface(OWN),)),
        Vlan(name="vlan-1", trunk="trunk", id=OTHER_VLAN_ID),
    )
    if isinstance(role, GatewayRole):
        trunk = Nic(name="trunk", mac=TRUNK_MAC, addresses=(ip_interface(f"{PUBLIC}/24"),))
        vlans = ()
    generation, epoch = await _next(agent)
    document = Desired(
        appliance=APPLIANCE,
        generation=generation,
        epoch=epoch,
        management=machine.management,
        nics=(machine.nic, trunk),
        vlans=vlans,
        role=role,
    )
    await agent.apply(document, timeout=SECONDS)


async def calm(agent: client.AgentClient) -> None:
    """Nothing extended, nothing forwarded, whatever it was before."""
    try:
        document = await agent.get_desired()
    except ProblemError as error:
        if error.problem.type == ProblemType.NOT_CONFIGURED.urn:
            return
        raise
    generation, epoch = await _next(agent)
    trunk = Nic(name="trunk", mac=TRUNK_MAC)
    idle = Desired(
        appliance=APPLIANCE,
        generation=generation,
        epoch=epoch,
        management=document.management,
        nics=(document.nics[0], trunk),
        role=ProviderRole(tenant="acme", uplink="management", networks=()),
    )
    await agent.apply(idle, timeout=SECONDS)


def provider(failover: Failover | None = None, *, tunnel: TunnelServer | None = None) -> ProviderRole:
    """A provider appliance whose one network is a VLAN on the trunk."""
    network = ProviderNetwork(
        id=NETWORK,
        nic="vlan-0",
        prefixes=(ip_network(PREFIX),),
        gateways=(ip_address(GATEWAY),),
        tunnel=tunnel,
    )
    return ProviderRole(tenant="acme", uplink="management", networks=(network,), failover=failover or Idle())


def full() -> Full:
    """It is the gateway of the network."""
    return Full(networks=(FullNetwork(network=NETWORK),))


def partial() -> Partial:
    """One replica runs on the VLAN."""
    return Partial(replicas=(Replica(vm="db1", network=NETWORK, addresses=(ip_address(REPLICA),)),))


async def tunnel(agent: client.AgentClient) -> TunnelServer:
    """The server's end of a tunnel, with a key born on the machine."""
    authority = pki.make_vpn_authority("acme", now=datetime.now(UTC))
    certificate = await enrolment.request_certificate(
        agent,
        key="vpn",
        purpose=Purpose.VPN_SERVER,
        common_name="acme-provider",
        authority=authority,
        now=datetime.now(UTC),
    )
    return TunnelServer(
        id="acme-0",
        inner=(InnerAddresses(local=ip_address("100.64.0.1"), peer=ip_address("100.64.0.2")),),
        listen=ip_address(ADDRESS),
        port=TUNNEL_PORT,
        key="vpn",
        certificate=certificate,
        ca=authority.pem,
        peer_name="acme-tenant",
        tls_crypt=tls_crypt.make_server_key(),
    )


async def gateway(agent: client.AgentClient, *, leads: bool = True) -> GatewayRole:
    """A cloud gateway, with a tunnel or without; the tunnel's provider appliance is not there."""
    name = "gateways.example"
    vpn = pki.make_vpn_authority("acme", now=datetime.now(UTC))
    tenant = GatewayTenant(id="acme", tls_crypt=tls_crypt.make_server_key(), ca=vpn.pem)
    tunnel = GatewayTunnel(
        tenant="acme", tunnel="acme-0", server=ip_address(SERVER), port=TUNNEL_PORT, client_name="acme-tenant"
    )
    certificate = await enrolment.request_certificate(
        agent,
        key="gateway",
        purpose=Purpose.GATEWAY,
        common_name=name,
        authority=pki.make_gateway_authority(name, now=datetime.now(UTC)),
        now=datetime.now(UTC),
    )
    return GatewayRole(
        public="trunk",
        inside="management",
        key="gateway",
        certificate=certificate,
        tenants=(tenant,),
        tunnels=(tunnel,) if leads else (),
    )


async def _next(agent: client.AgentClient) -> tuple[int, int]:
    observed = await agent.observed()
    return (observed.observed_generation or 0) + 1, max(observed.epoch, 1)
