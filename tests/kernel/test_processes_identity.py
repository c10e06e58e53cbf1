"""Who gets a tunnel and who does not: keys, names and copied first packets, against real OpenVPN clients."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from causeway_agent.backends.gateway import wrapped_key
from causeway_controller.trust import tls_crypt
from causeway_wire.observed import Transport
from tests.kernel.processes_lab import (
    DOOR,
    GATEWAYS,
    TENANT,
    TUNNEL,
    Site,
    client,
    door,
    gateway_proxy,
    server,
    site,
    until,
    wrapper,
)

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(90)]

UDP, TCP = Transport.UDP, Transport.TCP
SEND = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], int(sys.argv[3])))
"""
CATCH = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind((sys.argv[1], int(sys.argv[2])))
    print(flush=True)
    while (packet := s.recv(4096))[0] >> 3 != 10:
        pass  # a question whether the line is good
    print(packet.hex(), flush=True)
"""


@pytest.fixture(scope="module", params=[True, False], ids=["named keys", "keys not named"])
def running(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("identity"), named=request.param) as made:
        for place in ("s", "g0", "c"):
            made.agent(place)
        for transport in Transport:
            made.agents["s"].start(server(made.keys, transport))
        made.agents["g0"].start(door(made.keys, 0, named=request.param))
        made.agents["g0"].start(gateway_proxy(made.keys, 0))
        made.agents["c"].start(wrapper(made.keys))
        yield made


@pytest.fixture
def tunnel(running: Site) -> Iterator[Site]:
    yield running
    running.agents["c"].stop(client(running.keys, (0, UDP)))


def _connected(made: Site) -> bool:
    return bool(made.agents["c"].report()["state"] == "connected")


def _refused(made: Site) -> int:
    """Packets that the gateway, its packet filter or its agent, took for nobody's."""
    listed = made.inside("g0", "nft", "list", "counter", "inet", "causeway", "drop_stranger")
    refused: dict[str, int] = made.agents["g0"].admissions()[1]
    return int(listed.split("packets ")[1].split()[0]) + sum(refused.values())


def test_the_right_key_and_name_are_admitted(tunnel: Site) -> None:
    admitted, _ = tunnel.agents["g0"].admissions()
    tunnel.agents["c"].start(client(tunnel.keys, (0, UDP)))
    until(lambda: _connected(tunnel))
    assert tunnel.agents["g0"].admissions()[0] == admitted + 1


def test_a_key_wrapped_by_another_server_key_meets_silence(tunnel: Site) -> None:
    claim = tls_crypt.Claim(tenant=TENANT, tunnel=TUNNEL)
    foreign = tls_crypt.make_client_key(tls_crypt.make_server_key(), claim)
    admitted, before = tunnel.agents["g0"].admissions()[0], _refused(tunnel)
    tunnel.agents["c"].start(client(tunnel.keys, (0, UDP), crypt=foreign))
    time.sleep(2.5)
    assert tunnel.agents["g0"].admissions()[0] == admitted
    assert _refused(tunnel) > before
    report = tunnel.agents["c"].report()
    assert (report["state"], report["error"]) == ("connecting", "no answer")


def test_a_claim_of_an_unknown_tunnel_meets_silence(tunnel: Site) -> None:
    claim = tls_crypt.Claim(tenant=TENANT, tunnel="acme-mail")
    other = tls_crypt.make_client_key(tunnel.keys.server_key, claim)
    before = _refused(tunnel)
    tunnel.agents["c"].start(client(tunnel.keys, (0, UDP), crypt=other))
    until(lambda: _refused(tunnel) > before)
    assert not _connected(tunnel)


@pytest.mark.parametrize("transport", [UDP, TCP])
def test_another_name_of_the_same_authority_is_refused_by_the_server(
    tunnel: Site, transport: Transport
) -> None:
    """Over TCP the wrapper's certificate is the right one, so that the server has to refuse the inner one."""
    tunnel.agents["c"].start(client(tunnel.keys, (0, transport), name="acme-mail.client"))
    refusal = "certificate refused: CN=acme-mail.client, must be acme-web.client"
    log = f"vpn-{TUNNEL}-{transport.value}"
    until(lambda: "must be acme-web.client" in (tunnel.directory / "s" / log / "output.log").read_text(), 8)
    until(lambda: tunnel.agents["s"].report()["error"] == refusal, 8)
    assert not _connected(tunnel)


def _first_packet(made: Site) -> bytes:
    """A genuine first packet, caught where a client sends it."""
    with subprocess.Popen(
        ("ip", "netns", "exec", f"{made.prefix}g1", sys.executable, "-c", CATCH, str(GATEWAYS[1]), str(DOOR)),
        stdout=subprocess.PIPE,
        text=True,
    ) as catcher:
        assert catcher.stdout is not None
        catcher.stdout.readline()
        made.agents["c"].start(client(made.keys, (1, UDP)))
        packet = bytes.fromhex(catcher.stdout.readline())
    made.agents["c"].stop(client(made.keys, (1, UDP)))
    return packet


def _send(made: Site, packet: bytes) -> None:
    made.inside("a", sys.executable, "-c", SEND, packet.hex(), str(GATEWAYS[0]), str(DOOR))


def test_a_packet_of_a_real_client_is_read_as_what_it_is(tunnel: Site) -> None:
    packet = _first_packet(tunnel)
    key = wrapped_key.server_key(TENANT, tunnel.keys.server_key.reveal())
    found = wrapped_key.verify(packet, [key])
    assert isinstance(found, wrapped_key.FirstPacket)
    assert (found.tenant, found.tunnel) == (TENANT, TUNNEL)
    assert abs(found.time - time.time()) < 10
    changed = bytearray(packet)
    changed[30] ^= 1
    assert wrapped_key.verify(bytes(changed), [key]) is wrapped_key.Refusal.FORGED


def test_a_replayed_first_packet_neither_enters_nor_cuts_the_tunnel(tunnel: Site) -> None:
    packet = _first_packet(tunnel)
    tunnel.agents["c"].start(client(tunnel.keys, (0, UDP)))
    until(lambda: _connected(tunnel))
    gateway = tunnel.agents["g0"]
    admitted, refused = gateway.admissions()
    with tunnel.probing(3) as found:
        _send(tunnel, packet)  # this gateway never saw it, so it counts: once, and beside the tunnel
        until(lambda: gateway.admissions()[0] == admitted + 1)
        _send(tunnel, packet)
        until(lambda: gateway.admissions()[1].get("replayed", 0) > refused.get("replayed", 0))
    assert gateway.admissions()[0] == admitted + 1
    assert found["gap"] < 0.2


def test_garbage_meets_silence_and_is_counted(tunnel: Site) -> None:
    before = _refused(tunnel)
    for packet in (b"", b"\x50", bytes(range(256)) * 5, b"\x50" + bytes(400), b"\x38" + bytes(80)):
        _send(tunnel, packet)
    until(lambda: _refused(tunnel) >= before + 5)


def test_tls_clients_without_a_known_name_reach_no_server(running: Site) -> None:
    """The TCP door wants a certificate: without one the handshake ends."""
    script = f"""
import socket, ssl, json
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
try:
    with socket.create_connection(("{GATEWAYS[0]}", {DOOR}), 3) as raw:
        with context.wrap_socket(raw) as tls:
            tls.settimeout(3)
            tls.send(b"x")
            print(json.dumps(tls.recv(10).hex()))
except (ssl.SSLError, ConnectionError) as error:
    print(json.dumps(type(error).__name__))
"""
    answer = json.loads(running.inside("a", sys.executable, "-c", script))
    assert answer in {"SSLError", "ConnectionResetError", "SSLEOFError", ""}
