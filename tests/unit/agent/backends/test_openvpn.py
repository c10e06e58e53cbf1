"""What OpenVPN's words mean, and the configuration it really gets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from causeway_agent.backends.processes import openvpn, spawn
from causeway_agent.backends.processes import openvpn_management as management
from causeway_agent.errors import BackendError
from causeway_wire.types import Secret


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("VERIFY X509NAME ERROR: CN=a, must be b", "certificate refused: CN=a, must be b"),
        (
            "1.2.3.4:5 VERIFY ERROR: depth=0, error=certificate has expired: CN=a",
            "certificate refused: certificate has expired: CN=a",
        ),
        (
            "1.2.3.4:5 VERIFY CRL: depth=0, CN=a, serial=4660 is revoked",
            "certificate refused: CN=a, serial=1234 is revoked",
        ),
        ("tls-crypt unwrap error: packet authentication failed", "wrong key"),
        ("TLS Error: TLS key negotiation failed to occur within 60 seconds", "no answer"),
        ("read UDPv4 [ECONNREFUSED]: Connection refused (fd=3,code=111)", "connection refused"),
        ("Control Channel: using tls-crypt-v2 key", None),
        ("VERIFY OK: depth=0, CN=a", None),
    ],
)
def test_log_lines_tell_reasons(line: str, meaning: str | None) -> None:
    assert openvpn.reason(line) == meaning


def test_a_vaguer_line_does_not_hide_the_cause() -> None:
    told = openvpn.latest(None, "VERIFY X509NAME ERROR: CN=a, must be b")
    told = openvpn.latest(told, "OpenSSL: error:0A000086:SSL routines::certificate verify failed:")
    told = openvpn.latest(told, "TLS Error: TLS handshake failed")
    assert told == "certificate refused: CN=a, must be b"
    assert openvpn.latest(told, "tls-crypt unwrap error: x") == "wrong key"


def test_reasons_are_bounded() -> None:
    told = openvpn.reason("Options error: " + "x" * 10_000)
    assert told is not None
    assert len(told) <= 200


def test_the_key_is_put_in_and_the_management_socket_replaced(tmp_path: Path) -> None:
    (tmp_path / "web.key").write_text("-----BEGIN-----\nsecret\n-----END-----\n")
    text = f"dev cwu1195\nmanagement /elsewhere/x.sock unix\nkey {tmp_path}/web.key\ncert c.pem\n"
    assert openvpn.complete(Secret(text), tmp_path).splitlines() == [
        "dev cwu1195",
        "<key>",
        "-----BEGIN-----",
        "secret",
        "-----END-----",
        "</key>",
        "cert c.pem",
        "management management.sock unix",
    ]
    relative = openvpn.complete(Secret("key web.key\n"), tmp_path)
    assert "secret" in relative


def test_a_missing_key_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"read key web\.key: No such file"):
        openvpn.complete(Secret("key web.key\n"), tmp_path)


async def test_output_that_grows_by_many_lines_is_shortened_at_once(tmp_path: Path) -> None:
    """Not at the next look, ten seconds later: forged packets make megabytes in one."""
    (tmp_path / spawn.OUTPUT).write_bytes(bytes(spawn.OUTPUT_LIMIT + 1))

    heard, over = asyncio.Event(), asyncio.Event()

    async def flooded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b">LOG:1,N,AEAD Decrypt error: cipher final failed\n" * 2000 + b">LOG:1,,end\n")
        await reader.read()
        writer.close()
        over.set()

    def handle(event: management.Event, _: management.Connection) -> None:
        if event == management.LogLine("", "end"):
            heard.set()

    async with await asyncio.start_unix_server(flooded, tmp_path / management.SOCKET):
        following = asyncio.create_task(openvpn.follow(tmp_path, handle))
        async with asyncio.timeout(10):
            await heard.wait()
            following.cancel()
            await over.wait()
    assert not (tmp_path / spawn.OUTPUT).stat().st_size
