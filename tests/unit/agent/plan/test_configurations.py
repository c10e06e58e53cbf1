"""OpenVPN and HAProxy configurations: the option set that was measured, and what keeps tenants apart."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from causeway_agent.plan.compile import haproxy_config, openvpn_config
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import GatewayRole
from causeway_wire.observed import Transport
from tests import documents

TUNED = {
    "dev-type tun",
    "persist-tun",
    "persist-key",
    "ifconfig-noexec",
    "script-security 0",
    "tls-version-min 1.2",
    "auth SHA256",
    "data-ciphers AES-256-GCM",
    "cipher AES-256-GCM",
    "sndbuf 1048576",
    "rcvbuf 1048576",
}


def server_lines(
    transport: Transport, *, listen: str = "10.9.0.2", facts: Facts = documents.FACTS
) -> set[str]:
    text = openvpn_config.server(
        documents.server(0, listen=listen),
        transport=transport,
        device="cwu1195",
        name="vpn-acme-0-udp",
        facts=facts,
    )
    return set(text.reveal().splitlines())


def client_lines(transport: Transport, *, facts: Facts = documents.FACTS) -> set[str]:
    text = openvpn_config.client(
        documents.client(),
        transport=transport,
        address=ip_address("203.0.113.1"),
        port=6180,
        device="cwtun0",
        name="vpn-acme-0",
        facts=facts,
    )
    return set(text.reveal().splitlines())


@pytest.mark.parametrize("transport", Transport)
def test_both_ends_have_the_tuned_options(transport: Transport) -> None:
    assert server_lines(transport) >= TUNED
    assert client_lines(transport) >= TUNED


@pytest.mark.parametrize("transport", Transport)
def test_both_ends_pin_the_other_ones_name_and_usage(transport: Transport) -> None:
    assert server_lines(transport) >= {"verify-x509-name acme-tenant-0 name", "remote-cert-tls client"}
    assert client_lines(transport) >= {"verify-x509-name acme-provider name", "remote-cert-tls server"}


def test_the_client_pulls_because_keys_are_derived_by_what_is_pushed() -> None:
    assert client_lines(Transport.UDP) >= {"tls-client", "pull", "route-nopull"}
    assert server_lines(Transport.UDP) >= {"mode server", "tls-server", "keepalive 1 4", "dh none"}


def test_tcp_sends_at_once_on_both_sides_and_udp_says_goodbye() -> None:
    for lines in (server_lines(Transport.TCP), client_lines(Transport.TCP)):
        assert "socket-flags TCP_NODELAY" in lines
        assert "fast-io" not in lines
    assert "explicit-exit-notify 1" in client_lines(Transport.UDP)
    assert "explicit-exit-notify 1" not in client_lines(Transport.TCP)


def test_one_client_at_a_time_is_never_enforced_by_counting() -> None:
    assert not any(line.startswith("max-clients") for line in server_lines(Transport.UDP))


def test_protocols_follow_the_outer_address() -> None:
    assert "proto udp4" in server_lines(Transport.UDP)
    assert "proto tcp6-server" in server_lines(Transport.TCP, listen="2001:db8::2")
    assert "proto tcp4-client" in client_lines(Transport.TCP)


def test_the_key_is_named_and_never_inline() -> None:
    assert "key /var/lib/causeway/keys/vpn.key" in server_lines(Transport.UDP)
    assert "<key>" not in server_lines(Transport.UDP)


def test_no_privilege_is_asked_for() -> None:
    for lines in (server_lines(Transport.UDP), client_lines(Transport.UDP)):
        assert not any(line.startswith(("user ", "group ", "up ", "down ", "plugin ")) for line in lines)


CAPABLE = dataclasses.replace(documents.FACTS, no_offload=None)


def test_no_client_goes_by_the_time_of_day_nor_by_what_its_server_tells() -> None:
    for transport in Transport:
        assert client_lines(transport) >= {"ping-restart 0", "pull-filter ignore ping-restart"}


def test_a_kernel_that_can_carry_the_packets_does_over_udp_and_is_told_not_to_over_tcp() -> None:
    for transport, of_server, of_client in (
        (Transport.UDP, {"topology subnet"}, {"ping-restart 4"}),
        (Transport.TCP, {"disable-dco"}, {"disable-dco"}),
    ):
        for told, untold, more in (
            (server_lines(transport, facts=CAPABLE), server_lines(transport), of_server),
            (client_lines(transport, facts=CAPABLE), client_lines(transport), of_client),
        ):
            assert told - untold == more
            assert untold - told <= {"ping-restart 0", "pull-filter ignore ping-restart"}


def test_a_server_that_the_kernel_carries_for_knows_its_client_by_address_and_installs_no_route() -> None:
    tunnel = documents.server(0)
    ((_, by_process),) = openvpn_config.server_files(tunnel, Transport.UDP, documents.FACTS)
    assert (("ccd/DEFAULT", by_process),) == openvpn_config.server_files(tunnel, Transport.TCP, CAPABLE)
    ((_, by_kernel),) = openvpn_config.server_files(tunnel, Transport.UDP, CAPABLE)
    # OpenVPN would put a route for each `iroute` into the main table (dco_install_iroute).
    assert "iroute" in by_process
    assert "iroute" not in by_kernel
    assert by_kernel.startswith("ifconfig-push 192.0.0.8 ")


GATEWAY_ADDRESSES = ip_address("203.0.113.10"), ip_address("2001:db8:f::10")


def gateway() -> tuple[str, dict[str, str]]:
    document = documents.gateway(documents.gateway_tunnel(0), documents.gateway_tunnel(5, tenant="globex"))
    assert isinstance(document.role, GatewayRole)
    proxy = haproxy_config.gateway(document.role, addresses=GATEWAY_ADDRESSES)
    return proxy.configuration.reveal(), {name: text.reveal() for name, text in proxy.files}


def test_the_gateway_maps_a_name_together_with_its_tenants_authority() -> None:
    configuration, files = gateway()
    assert files["tunnels.map"].splitlines() == [
        "acme:acme-tenant-0 tunnel-0",
        "globex:globex-tenant-5 tunnel-1",
    ]
    assert (
        "set-var(sess.tunnel) ssl_c_i_dn(o),concat(:,sess.name),map_str(tunnels.map,nobody)" in configuration
    )
    assert files["servers.map"].splitlines() == ["tunnel-0 10.9.0.20", "tunnel-1 10.9.0.20"]
    assert files["ports.map"].splitlines() == ["tunnel-0 1195", "tunnel-1 1205"]


def test_another_tenant_is_lines_of_files_and_no_other_configuration() -> None:
    documented = documents.gateway(documents.gateway_tunnel(0))
    assert isinstance(documented.role, GatewayRole)
    alone = haproxy_config.gateway(documented.role, addresses=GATEWAY_ADDRESSES)
    assert alone.configuration.reveal() == gateway()[0]


def test_the_gateway_asks_every_client_for_a_certificate_on_every_address() -> None:
    configuration, files = gateway()
    (bind,) = (line for line in configuration.splitlines() if line.startswith("  bind "))
    assert bind.split()[1].split(",") == ["203.0.113.10:6180", "[2001:db8:f::10]:6180"]
    assert "verify required" in bind
    assert "ca-verify-file tenants.pem" in bind
    assert files["tenants.pem"].count("BEGIN CERTIFICATE") == 2


def test_nothing_of_haproxy_can_be_administered() -> None:
    for text in (gateway()[0], haproxy_config.wrapper(documents.client()).configuration.reveal()):
        assert "stats" not in text
        assert "ssl-min-ver TLSv1.3" in text


def test_the_wrapper_listens_locally_once_per_gateway_and_checks_its_name() -> None:
    text = haproxy_config.wrapper(documents.client()).configuration.reveal()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("  bind ")] == [
        "127.0.0.1:16180",
        "127.0.0.1:16181",
    ]
    assert text.count("verify required verifyhost gateway.example sni str(gateway.example)") == 2
