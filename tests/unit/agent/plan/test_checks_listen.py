"""A tunnel's server on both IP versions, from the document to what listens and what is relayed."""

from __future__ import annotations

import ipaddress

import pytest
from msgspec import structs

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import openvpn_config
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.processes import FirstPacketFilter, VpnServer
from causeway_wire.desired import Partial, ProviderRole, TunnelServer
from causeway_wire.observed import Transport
from causeway_wire.types import IPAddress
from tests import documents

FIRST, SECOND = ipaddress.ip_address("10.9.0.20"), ipaddress.ip_address("2001:db8:9::20")
OWN = ipaddress.ip_address("2001:db8:9::2")
FAILED_OVER = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20"),))
DUAL = documents.nic("uplink", 0, "10.9.0.2/24", "10.9.0.3/24", "2001:db8:9::2/64", gateways=("10.9.0.1",))


def provider_listening(second: IPAddress | None) -> list[VpnServer]:
    whole = documents.provider(FAILED_OVER, networks=(documents.provider_network(0),))
    role = whole.role
    assert isinstance(role, ProviderRole)
    network = role.networks[0]
    assert isinstance(network.tunnel, TunnelServer)
    tunnel = structs.replace(network.tunnel, second_listen=second)
    role = structs.replace(role, networks=(structs.replace(network, tunnel=tunnel),))
    whole = structs.replace(whole, role=role, nics=(DUAL, *whole.nics[1:]))
    target = compile_document(whole, documents.FACTS)
    ports = {(listener.protocol, listener.address) for listener in target.policy.listeners}
    assert ports == {
        *((t.value, address) for t in Transport for address in openvpn_config.listens(tunnel, t)),
    }
    return [process for process in target.processes if isinstance(process, VpnServer)]


def test_a_server_on_both_versions_listens_once_over_udp_and_answers_from_where_it_was_asked() -> None:
    texts = {server.transport: server.configuration.reveal() for server in provider_listening(OWN)}
    assert "proto udp6\nmultihome\nlport" in texts[Transport.UDP]
    assert "local" not in texts[Transport.UDP]
    assert "proto tcp4-server\nlocal 10.9.0.2\nlport" in texts[Transport.TCP]


def test_a_server_on_one_version_is_bound_to_its_address() -> None:
    texts = {server.transport: server.configuration.reveal() for server in provider_listening(None)}
    assert "proto udp4\nlocal 10.9.0.2\nlport" in texts[Transport.UDP]


@pytest.mark.parametrize("second", ["2001:db8:9::77", "10.9.0.3"])
def test_a_second_address_is_the_uplink_s_and_of_the_other_version(second: str) -> None:
    with pytest.raises(CompileError) as raised:
        provider_listening(ipaddress.ip_address(second))
    (problem,) = raised.value.problems
    assert str(problem.pointer).endswith("/tunnel/second_listen")
    assert second in problem.detail


def relaying(second: str) -> FirstPacketFilter:
    tunnel = structs.replace(documents.gateway_tunnel(0), second_server=ipaddress.ip_address(second))
    target = compile_document(documents.gateway(tunnel), documents.FACTS)
    relays = {relay.address.version: relay.servers for relay in target.policy.relays}
    assert relays == {4: {(FIRST, 1195)}, 6: {(SECOND, 1195)}}
    return next(process for process in target.processes if isinstance(process, FirstPacketFilter))


def test_a_gateway_relays_each_version_to_the_server_s_address_of_it() -> None:
    door = relaying(str(SECOND))
    assert set(door.servers) == {("acme", "acme-0", FIRST, 1195), ("acme", "acme-0", SECOND, 1195)}


def test_a_gateway_refuses_two_servers_of_one_version() -> None:
    with pytest.raises(CompileError) as raised:
        relaying("10.9.0.21")
    assert [p.pointer for p in raised.value.problems] == ["/role/tunnels/0/second_server"]
