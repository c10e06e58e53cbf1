"""OpenVPN itself accepts our certificates and tls-crypt-v2 keys, and refuses those of others."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from causeway_controller import files
from causeway_controller.trust import pki, tls_crypt
from causeway_wire.types import Secret

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

NOW = datetime.now(UTC)
PORT = 21195
UP = b"Initialization Sequence Completed"
SERVER_NAME, CLIENT_NAME = "server.acme", "client.acme"
COMMON = """dev-type tun
ifconfig-noexec
topology subnet
script-security 0
tls-version-min 1.3
auth SHA256
data-ciphers AES-256-GCM
cipher AES-256-GCM
verb 3
"""
SERVER = f"""dev handshake0
mode server
tls-server
proto udp4
local 127.0.0.1
lport {PORT}
dh none
ifconfig 100.64.0.1 255.255.255.0
remote-cert-tls client
verify-x509-name {CLIENT_NAME} name
"""
CLIENT = f"""dev handshake1
client
nobind
proto udp4
remote 127.0.0.1 {PORT}
remote-cert-tls server
verify-x509-name {SERVER_NAME} name
"""


@dataclass(frozen=True)
class End:
    """What one end of a tunnel holds."""

    ca: str
    certificate: str
    key: bytes
    tls_crypt: Secret

    def text(self, options: str) -> str:
        """A whole OpenVPN configuration."""
        blocks = {
            "ca": self.ca,
            "cert": self.certificate,
            "key": self.key.decode(),
            "tls-crypt-v2": self.tls_crypt.reveal(),
        }
        return COMMON + options + "".join(f"<{tag}>\n{pem}</{tag}>\n" for tag, pem in blocks.items())


def end(authority: pki.Authority, name: str, usage: pki.Usage, crypt: Secret) -> End:
    key = pki.make_key()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    certificate = pki.issue_vpn(authority, request, common_name=name, usage=usage, now=NOW)
    return End(authority.pem, certificate, pki.private_pem(key), crypt)


AUTHORITY = pki.make_vpn_authority("acme", now=NOW)
SERVER_KEY = tls_crypt.make_server_key()
CLAIM = tls_crypt.Claim(tenant="t" * 63, tunnel="u" * 63)
CLIENT_KEY = tls_crypt.make_client_key(SERVER_KEY, CLAIM)
SERVER_END = end(AUTHORITY, SERVER_NAME, pki.Usage.SERVER, SERVER_KEY)
CLIENT_END = end(AUTHORITY, CLIENT_NAME, pki.Usage.CLIENT, CLIENT_KEY)


@pytest.fixture(autouse=True, scope="module")
def _loopback() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@asynccontextmanager
async def openvpn(path: Path, text: str) -> AsyncIterator[asyncio.StreamReader]:
    """A running OpenVPN process and its log."""
    files.write(path, text.encode(), mode=files.PRIVATE)
    process = await asyncio.create_subprocess_exec(
        "openvpn", "--config", str(path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def says(log: asyncio.StreamReader, wanted: bytes, *, seconds: float) -> bool:
    """Whether the log has this text before the seconds are over."""
    try:
        async with asyncio.timeout(seconds):
            async for line in log:
                if wanted in line:
                    return True
    except TimeoutError:
        pass
    return False


async def connects(server: End, client: End, directory: Path, *, seconds: float) -> bool:
    """Whether a client reaches the server."""
    async with openvpn(directory / "server.conf", server.text(SERVER)) as server_log:
        assert await says(server_log, UP, seconds=10)
        async with openvpn(directory / "client.conf", client.text(CLIENT)) as client_log:
            return await says(client_log, UP, seconds=seconds)


async def test_our_certificates_and_keys_make_a_tunnel(tmp_path: Path) -> None:
    assert await connects(SERVER_END, CLIENT_END, tmp_path, seconds=20)


@pytest.mark.parametrize(
    "client",
    [
        replace(CLIENT_END, tls_crypt=tls_crypt.make_client_key(tls_crypt.make_server_key(), CLAIM)),
        end(AUTHORITY, "another.acme", pki.Usage.CLIENT, CLIENT_KEY),
        end(AUTHORITY, CLIENT_NAME, pki.Usage.SERVER, CLIENT_KEY),
        end(pki.make_vpn_authority("acme", now=NOW), CLIENT_NAME, pki.Usage.CLIENT, CLIENT_KEY),
    ],
    ids=["another server key", "another name", "a server's certificate", "another authority"],
)
async def test_a_stranger_gets_no_tunnel(client: End, tmp_path: Path) -> None:
    known = replace(client, ca=AUTHORITY.pem)
    assert not await connects(SERVER_END, known, tmp_path, seconds=3)
