"""Revoked certificates at tunnels: real OpenVPN and HAProxy refuse them, and end what is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import UNSET, structs

from causeway_agent.plan.compile import haproxy_config, openvpn_config
from causeway_agent.plan.model.processes import TlsProxy, VpnClient, VpnServer
from causeway_controller.trust import pki
from causeway_wire.desired import (
    GatewayRole,
    GatewayTenant,
    GatewayTunnel,
    InnerAddresses,
    TunnelServer,
)
from causeway_wire.observed import Transport
from tests.kernel import processes_lab as lab
from tests.kernel.processes_lab import CLIENT_NAME, GATEWAY_NAME, SERVER_NAME, Site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(240)]

UDP, TCP = Transport.UDP, Transport.TCP
PATIENCE = 30.0


@pytest.fixture(params=[UDP, TCP], ids=["udp", "tcp"])
def up(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Site, Transport]]:
    with lab.site(tmp_path) as made:
        made.up((0, request.param))
        yield made, request.param


def connected(site: Site) -> bool:
    """Whether both ends say so."""
    return {site.agents[place].report()["state"] for place in ("c", "s")} == {"connected"}


def serial(site: Site, name: str) -> str:
    return pki.serial(site.keys.made[name])


def start(site: Site, place: str, process: VpnServer | VpnClient | TlsProxy) -> None:
    assert site.agents[place].start(process) == {}


def servers(site: Site, *revoked: str) -> list[VpnServer]:
    """The servers of both transports, which refuse these."""
    tunnel = TunnelServer(
        id=lab.TUNNEL,
        inner=(InnerAddresses(local=lab.INNER[1], peer=lab.INNER[0]),),
        listen=lab.SERVER,
        port=lab.PORT,
        key=SERVER_NAME,
        certificate=site.keys.made[SERVER_NAME],
        ca=site.keys.vpn.pem,
        peer_name=CLIENT_NAME,
        tls_crypt=site.keys.server_key,
        revoked=revoked,
    )
    return [
        replace(
            standing,
            configuration=openvpn_config.server(
                tunnel,
                transport=standing.transport,
                device=standing.device,
                name=standing.name,
                facts=lab.facts(site.keys),
            ),
            files=openvpn_config.server_files(tunnel, Transport.UDP, lab.facts(site.keys)),
        )
        for standing in (lab.server(site.keys, transport) for transport in Transport)
    ]


def client(site: Site, transport: Transport, *revoked: str) -> VpnClient:
    """The client, over the first gateway, which refuses these."""
    standing = lab.client(site.keys, (0, transport))
    tunnel = structs.replace(
        lab.tunnel_client(site.keys, name=CLIENT_NAME, crypt=None), revoked=revoked or UNSET
    )
    over_udp = transport is UDP
    text = openvpn_config.client(
        tunnel,
        transport=transport,
        address=lab.GATEWAYS[0] if over_udp else haproxy_config.LOOPBACK,
        port=lab.DOOR if over_udp else haproxy_config.local_port(0),
        device=standing.device,
        name=standing.name,
        facts=lab.facts(site.keys),
    )
    way = replace(standing.endpoints[0], configuration=text)
    return replace(standing, endpoints=(way,), files=openvpn_config.revoked_files(tunnel))


def door(site: Site, *revoked: str) -> TlsProxy:
    """The first gateway's TCP port, which refuses these, and another tunnel of the same tenant beside it."""
    tunnel = GatewayTunnel(
        tenant=lab.TENANT,
        tunnel=lab.TUNNEL,
        server=lab.SERVER,
        port=lab.PORT,
        client_name=CLIENT_NAME,
        revoked=revoked,
    )
    role = GatewayRole(
        public="pub",
        inside="inside",
        key=GATEWAY_NAME,
        certificate=site.keys.made[GATEWAY_NAME],
        tenants=(GatewayTenant(id=lab.TENANT, tls_crypt=site.keys.server_key, ca=site.keys.vpn.pem),),
        tunnels=(tunnel,),
        port=lab.DOOR,
    )
    return haproxy_config.gateway(role, addresses=(lab.GATEWAYS[0],))


def test_a_live_tunnel_ends_when_its_certificate_is_revoked_and_stays_down(
    up: tuple[Site, Transport],
) -> None:
    site, transport = up
    number = serial(site, CLIENT_NAME)
    for each in servers(site, number):
        start(site, "s", each)
    until(lambda: site.agents["c"].report()["state"] != "connected", PATIENCE)
    until(lambda: f"serial={number} is revoked" in str(site.agents["s"].report()["error"]), PATIENCE)
    # An agent that starts anew finds the server that refuses, and lets it refuse.
    before = site.agents["s"].pid(f"vpn-{lab.TUNNEL}-{transport.value}")
    site.agents["s"].kill()
    site.agent("s")
    assert site.agents["s"].pid(f"vpn-{lab.TUNNEL}-{transport.value}") == before
    site.agents["c"].stop(client(site, transport))
    start(site, "c", client(site, transport))
    until(lambda: f"serial={number} is revoked" in str(site.agents["s"].report()["error"]), PATIENCE)
    assert not connected(site)
    # Taken back, with another one still revoked.
    for each in servers(site, "1f"):
        start(site, "s", each)
    until(lambda: connected(site), PATIENCE)


def test_another_certificate_of_the_same_name_goes_on(up: tuple[Site, Transport]) -> None:
    site, transport = up
    number = serial(site, CLIENT_NAME)
    for each in servers(site, number):
        start(site, "s", each)
    start(site, "g0", door(site, number))
    until(lambda: site.agents["c"].report()["state"] != "connected", PATIENCE)
    del site.keys.made[CLIENT_NAME]
    start(site, "c", lab.wrapper(site.keys))
    start(site, "c", client(site, transport))
    until(lambda: connected(site), PATIENCE)


def test_the_client_refuses_a_revoked_server(up: tuple[Site, Transport]) -> None:
    site, transport = up
    number = serial(site, SERVER_NAME)
    start(site, "c", client(site, transport, number))
    until(lambda: f"serial={number} is revoked" in str(site.agents["c"].report()["error"]), PATIENCE)
    assert not connected(site)
    start(site, "c", client(site, transport))
    until(lambda: connected(site), PATIENCE)
