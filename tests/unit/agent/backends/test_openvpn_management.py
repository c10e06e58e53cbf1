"""OpenVPN's management lines become events; what is not understood is passed over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.processes import openvpn_management as management
from causeway_agent.backends.processes.openvpn_management import (
    BytesCounted,
    Event,
    LogLine,
    Parser,
    PeerRow,
    PeersListed,
    StateChanged,
)

STATUS = """\
TITLE\tOpenVPN 2.6.14
TIME\t2026-01-02 03:04:05\t1767323045
HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address
CLIENT_LIST\tUNDEF\t10.0.0.9:4000\t\t\t10\t20\t2026-01-02 03:04:05\t1767323044\tUNDEF\t1\t1\tAES-256-GCM
CLIENT_LIST\tacme-web.client\t10.0.0.1:5000\t\t\t100\t200\t2026-01-02 03:04:05\t1767323045\tUNDEF\t0\t0\tX
CLIENT_LIST\tbroken
GLOBAL_STATS\tMax bcast/mcast queue length\t0
END
"""


def feed(text: str) -> list[Event]:
    parser = Parser()
    return [event for line in text.splitlines() if (event := parser.feed(line)) is not None]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (">STATE:1,CONNECTED,SUCCESS,,198.51.100.1,6180,,,", ("CONNECTED", "SUCCESS", "198.51.100.1:6180")),
        (">STATE:1,CONNECTED,SUCCESS,,2001:db8::1,6180,,,", ("CONNECTED", "SUCCESS", "[2001:db8::1]:6180")),
        (">STATE:1,RECONNECTING,ping-restart,,,,,", ("RECONNECTING", "ping-restart", None)),
        ("1767323045,WAIT,,,,,,", ("WAIT", "", None)),
    ],
)
def test_states(line: str, event: tuple[str, str, str | None]) -> None:
    assert feed(line) == [StateChanged(*event)]


def test_byte_counts_and_log_lines() -> None:
    assert feed(">BYTECOUNT:12,34\n>LOG:1767323045,N,VERIFY ERROR: a, b\n>FATAL:no") == [
        BytesCounted(12, 34),
        LogLine("N", "VERIFY ERROR: a, b"),
        LogLine("F", "no"),
    ]


def test_a_status_lists_clients_whose_handshake_is_done() -> None:
    row = PeerRow("acme-web.client", "10.0.0.1:5000", 100, 200, 1767323045)
    assert feed(STATUS) == [PeersListed((row,))]
    assert feed(STATUS + STATUS) == [PeersListed((row,))] * 2


@pytest.mark.parametrize("place", ["10.0.0.1:5000", "[fd00::1]:5000"])
@pytest.mark.parametrize("protocol", ["", "udp4:", "udp6:", "udp:", "tcp4-server:", "tcp6-server:"])
def test_a_clients_address_is_the_same_whether_its_protocol_is_said_or_not(place: str, protocol: str) -> None:
    row = PeerRow("acme-web.client", place, 100, 200, 1767323045)
    assert feed(STATUS.replace("10.0.0.1:5000", f"{protocol}{place}")) == [PeersListed((row,))]


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    feed(text)
    feed(">" + text)
    feed("CLIENT_LIST\t" + text)


async def test_a_connection_waits_for_the_socket_asks_and_ends_with_the_process(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend([await reader.readline() for _ in range(4)])
        writer.write(b">INFO:hello\r\n>BYTECOUNT:1,2\r\n")
        await writer.drain()
        writer.close()

    path = tmp_path / "m.sock"
    async with asyncio.TaskGroup() as group:
        connecting = group.create_task(management.connect(path))
        await asyncio.sleep(0.02)
        server = await asyncio.start_unix_server(serve, path)
        async with asyncio.timeout(5):
            connection = await connecting
            events = [event async for event in connection.events()]
        connection.close()
        server.close()
    assert events == [BytesCounted(1, 2)]
    assert asked == [b"log on\n", b"state on\n", b"state\n", b"bytecount 2\n"]
