"""The rendered HAProxy configurations as run: who reaches which tunnel's server over TCP, and who none."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from causeway_agent.plan.compile import haproxy_config
from causeway_agent.plan.model.processes import TlsProxy
from causeway_controller.trust import pki
from causeway_wire.desired import GatewayRole, GatewayTenant, GatewayTunnel, Remote
from tests import documents, tls

pytestmark = pytest.mark.kernel

NOW = datetime.now(UTC)
GATEWAY_NAME = "gateway.example"
DOOR = ("127.0.0.1", 26180)
TENANTS = ("acme", "globex")
SERVERS = {"acme": ip_address("127.0.1.1"), "globex": ip_address("::1")}
"""One of each IP version."""
PORT = 21195
SAME_NAME = "web-tenant"
"""Both tenants call their appliance so; only the authority behind the name tells them apart."""


@dataclass(frozen=True)
class Site:
    directory: Path
    authorities: dict[str, pki.Authority]
    gateway_authority: pki.Authority
    role: GatewayRole
    key: str
    """The gateway's."""
    callers: list[str]
    """The tenant of every connection that reached a server."""

    def client(self, tenant: str, name: str) -> Path:
        """A certificate and its key, issued by this tenant's authority."""
        path = self.directory / f"{tenant}-{name}.pem"
        path.write_text("".join(issued(self.authorities[tenant], name, pki.Usage.CLIENT)))
        return path


def issued(authority: pki.Authority, name: str, usage: pki.Usage) -> tuple[str, str]:
    """Key and certificate, PEM."""
    key = pki.make_key()
    certificate = authority.issue(
        key.public_key(), common_name=name, usage=usage, names=[x509.DNSName(name)], now=NOW
    )
    return pki.private_pem(key).decode(), pki.pem(certificate)


@contextlib.contextmanager
def running(proxy: TlsProxy, directory: Path, key: str, port: int) -> Iterator[None]:
    """HAProxy with this specification, as the supervisor would run it."""
    directory.mkdir()
    for name, text in proxy.files:
        prefix = key if name in {"server.pem", "client.pem"} else ""
        (directory / name).write_text(prefix + text.reveal())
    (directory / "haproxy.cfg").write_text(proxy.configuration.reveal())
    with subprocess.Popen(["haproxy", "-db", "-f", "haproxy.cfg"], cwd=directory) as process:
        try:
            wait_for(port)
            yield
        finally:
            process.kill()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on port {port}")


def answer(tenant: str, callers: list[str]) -> socket.socket:
    """A server in a thread that tells every caller whose it is, and stays until the caller goes."""
    family = socket.AF_INET6 if SERVERS[tenant].version == 6 else socket.AF_INET
    listener = socket.create_server((str(SERVERS[tenant]), PORT), family=family)

    def stay(caller: socket.socket) -> None:
        with contextlib.suppress(OSError), caller:
            while caller.recv(100):
                pass

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                callers.append(tenant)
                caller.sendall(tenant.encode())
                threading.Thread(target=stay, args=(caller,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    authorities = {tenant: pki.make_vpn_authority(tenant, now=NOW - timedelta(days=1)) for tenant in TENANTS}
    gateway_authority = pki.make_gateway_authority(GATEWAY_NAME, now=NOW - timedelta(days=1))
    key, certificate = issued(gateway_authority, GATEWAY_NAME, pki.Usage.SERVER)
    role = GatewayRole(
        public="public",
        inside="inside",
        key="gateway",
        certificate=certificate,
        tenants=tuple(
            GatewayTenant(id=tenant, tls_crypt=documents.tls_crypt("server"), ca=authorities[tenant].pem)
            for tenant in TENANTS
        ),
        tunnels=tuple(
            GatewayTunnel(tenant=tenant, tunnel="web", server=server, port=PORT, client_name=SAME_NAME)
            for tenant, server in SERVERS.items()
        ),
        port=DOOR[1],
    )
    proxy = haproxy_config.gateway(role, addresses=(ip_address(DOOR[0]),))
    callers: list[str] = []
    servers = [answer(tenant, callers) for tenant in TENANTS]
    try:
        with running(proxy, tmp_path / "gateway", key, DOOR[1]):
            yield Site(tmp_path, authorities, gateway_authority, role, key, callers)
    finally:
        for listener in servers:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which holds the port while it waits
            listener.close()


def reached(
    site: Site, certificate: Path | None, source: str = "127.0.0.1", door: tuple[str, int] = DOOR
) -> str:
    """The tenant whose server answers through the door; empty when none does."""
    context = ssl.create_default_context(cadata=site.gateway_authority.pem)
    if certificate is not None:
        context.load_cert_chain(certificate)
    with (
        contextlib.suppress(ssl.SSLError, ConnectionError),
        tls.connected(context, door, source=source, name=GATEWAY_NAME) as connection,
    ):
        connection.sendall(b"x")
        return connection.recv(100).decode()
    return ""


@pytest.mark.parametrize("tenant", TENANTS)
def test_equal_names_of_two_tenants_reach_each_their_own_server(site: Site, tenant: str) -> None:
    assert reached(site, site.client(tenant, SAME_NAME)) == tenant


def test_a_name_that_no_tunnel_has_reaches_nothing(site: Site) -> None:
    assert reached(site, site.client("acme", "other-tenant")) == ""


def test_a_certificate_of_an_unknown_authority_reaches_nothing(site: Site) -> None:
    stranger = pki.make_vpn_authority("acme", now=NOW - timedelta(days=1))
    forged = site.directory / "forged.pem"
    forged.write_text("".join(issued(stranger, SAME_NAME, pki.Usage.CLIENT)))
    assert reached(site, forged) == ""


def test_no_certificate_reaches_nothing(site: Site) -> None:
    assert reached(site, None) == ""


def test_the_door_does_not_tell_strangers_who_its_tenants_are(site: Site) -> None:
    address = ":".join(map(str, DOOR))
    said = subprocess.run(
        ["openssl", "s_client", "-connect", address], input="", capture_output=True, text=True, check=False
    ).stdout
    assert "No client certificate CA names sent" in said
    assert "acme" not in said


@contextlib.contextmanager
def held(site: Site, tenant: str, count: int) -> Iterator[None]:
    """This many connections of a tenant's client, from addresses of their own."""
    context = ssl.create_default_context(cadata=site.gateway_authority.pem)
    context.load_cert_chain(site.client(tenant, SAME_NAME))
    with contextlib.ExitStack() as stack:
        for number in range(count):
            source = f"127.0.2.{number + 1}"
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                stack.enter_context(tls.connected(context, DOOR, source=source, name=GATEWAY_NAME))
        yield


def test_one_tunnel_s_connections_leave_room_for_the_others(site: Site) -> None:
    with held(site, "acme", haproxy_config.CONNECTIONS + 8):
        assert reached(site, site.client("globex", SAME_NAME)) == "globex"
        time.sleep(1)
        assert site.callers.count("acme") == haproxy_config.CONNECTIONS


def test_a_handshake_that_takes_its_time_is_ended(site: Site) -> None:
    with socket.create_connection(DOOR, 3) as raw:
        raw.settimeout(20)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            assert raw.recv(100) == b""
        assert time.monotonic() - began < 10


def test_a_source_that_connects_over_and_over_is_refused_and_others_are_not(site: Site) -> None:
    certificate = site.client("acme", SAME_NAME)
    reaching = [reached(site, certificate) for _ in range(40)]
    assert reaching[:20] == ["acme"] * 20
    assert reaching[-1] == ""
    assert reached(site, certificate, source="127.0.3.1") == "acme"


@pytest.fixture
def prefixes() -> Iterator[list[str]]:
    """An address in each of 64 IPv6 /64s of one /48, of this machine."""
    addresses = [f"fd00:0:0:{number:x}::5" for number in range(64)]
    for verb in ("add", "delete"):
        lines = "".join(f"address {verb} {address}/128 dev lo\n" for address in addresses)
        subprocess.run(["ip", "-6", "-batch", "-"], input=lines, text=True, check=True)
        if verb == "add":
            yield addresses


def ended(connection: socket.socket) -> bool:
    """Whether the other side has closed it."""
    connection.setblocking(False)  # noqa: FBT003
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_one_network_s_many_prefixes_leave_room_for_others(site: Site, prefixes: list[str]) -> None:
    door = DOOR[0], DOOR[1] + 2
    role = msgspec.structs.replace(site.role, port=door[1])
    proxy = haproxy_config.gateway(role, addresses=(ip_address(door[0]), ip_address(prefixes[0])))
    with contextlib.ExitStack() as stack, running(proxy, site.directory / "wide", site.key, door[1]):
        silent = [
            stack.enter_context(socket.create_connection((prefixes[0], door[1]), 3, (source, 0)))
            for source in prefixes * 6
        ]
        time.sleep(0.5)
        assert sum(map(ended, silent)) >= len(silent) - haproxy_config.NEIGHBOURS - 1
        assert reached(site, site.client("acme", SAME_NAME), door=door) == "acme"


def brought(site: Site, *, name: str = GATEWAY_NAME, revoked: tuple[str, ...] = ()) -> bytes:
    """What a tenant appliance's wrapper, which expects a gateway of this name, brings from the door."""
    key, certificate = issued(site.authorities["acme"], SAME_NAME, pki.Usage.CLIENT)
    tunnel = msgspec.structs.replace(
        documents.client(),
        remotes=(Remote(address=ip_address(DOOR[0]), port=DOOR[1]),),
        certificate=certificate,
        gateway_ca=site.gateway_authority.pem,
        gateway_name=name,
        gateway_revoked=revoked,
    )
    port = haproxy_config.local_port(0)
    with running(haproxy_config.wrapper(tunnel), site.directory / "wrapper", key, port):
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 3) as plain:
            plain.sendall(b"x")
            return plain.recv(100)
        return b""


@pytest.mark.parametrize(("name", "expected"), [(GATEWAY_NAME, b"acme"), ("other.example", b"")])
def test_the_wrapper_trusts_the_gateways_name_only(site: Site, name: str, expected: bytes) -> None:
    assert brought(site, name=name) == expected


@contextlib.contextmanager
def refusing(site: Site, **revoked: str) -> Iterator[tuple[str, int]]:
    """A second door, which refuses one certificate of a tunnel each, by tenant."""
    door = DOOR[0], DOOR[1] + 1
    tunnels = tuple(
        msgspec.structs.replace(tunnel, revoked=(revoked[tunnel.tenant],))
        if tunnel.tenant in revoked
        else tunnel
        for tunnel in site.role.tunnels
    )
    role = msgspec.structs.replace(site.role, tunnels=tunnels, port=door[1])
    proxy = haproxy_config.gateway(role, addresses=(ip_address(door[0]),))
    with running(proxy, site.directory / "refusing", site.key, door[1]):
        yield door


def with_digits(site: Site, odd: int) -> tuple[Path, str]:
    """A certificate of acme's whose serial number has an odd or even number of digits."""
    while True:
        path = site.client("acme", SAME_NAME)
        text = path.read_text()
        serial = pki.serial(text[text.index("-----BEGIN CERTIFICATE-----") :])
        if len(serial) % 2 == odd:
            return path.rename(path.with_name(f"{serial}.pem")), serial


@pytest.mark.parametrize("odd", [0, 1])
def test_a_revoked_certificate_reaches_nothing_and_others_of_its_name_do(site: Site, odd: int) -> None:
    stolen, serial = with_digits(site, odd)
    other = site.client("acme", SAME_NAME)
    assert reached(site, stolen) == "acme"
    with refusing(site, acme=serial) as door:
        assert reached(site, stolen, door=door) == ""
        assert reached(site, other, door=door) == "acme"
        assert reached(site, site.client("globex", SAME_NAME), door=door) == "globex"


def test_a_serial_number_counts_for_its_tunnel_only(site: Site) -> None:
    certificate, serial = with_digits(site, 0)
    with refusing(site, globex=serial) as door:
        assert reached(site, certificate, door=door) == "acme"


@pytest.mark.parametrize("revoked", [True, False])
def test_the_wrapper_brings_nothing_from_a_gateway_that_is_revoked(site: Site, *, revoked: bool) -> None:
    serials = ("1f", pki.serial(site.role.certificate)) if revoked else ("1f",)
    assert brought(site, revoked=serials) == (b"" if revoked else b"acme")
