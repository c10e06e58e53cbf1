"""Connections over real sockets: each step has a deadline, there are few of them, refusals are problems."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from causeway_agent.api import application, door, guests
from causeway_agent.api.guests import Guests, source_of
from causeway_agent.engine import events
from causeway_wire import codec
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemType
from causeway_wire.routes import Permission
from tests import octets, served
from tests.agents import tenant
from tests.octets import Talk

SOON = 0.4
"""A deadline for tests; `LATER` must not pass before the connection is gone."""
LATER = 5.0
PUT = b"PUT /v1/desired HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = b"GET /v1/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    return unused_tcp_port


class Line(Talk):
    """Talk with the agent."""

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        head = (await self.head()).decode().split("\r\n")
        fields = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        async with asyncio.timeout(octets.PATIENCE):
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def problem(self, kind: ProblemType) -> Problem:
        status, headers, body = await self.hear()
        found = codec.decode(body, Problem)
        assert (status, headers["content-type"], found.type) == (kind.status, MEDIA_TYPE, kind.urn)
        return found


@contextlib.asynccontextmanager
async def line(at: served.Door, *, limit: int = 2**16) -> AsyncIterator[Line]:
    """A connection that has shown its certificate."""
    context = at.client_context(Permission.OBSERVE, Permission.APPLY)
    port = (at.listener.endpoint or ("", 0))[1]
    async with octets.talk(port, tls=context, limit=limit) as one:
        yield Line(one.reader, one.writer)


@contextlib.asynccontextmanager
async def silent(port: int, count: int = 1) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections that never begin their handshake."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def everybody_left(at: served.Door) -> None:
    """No connection is counted any more, soon."""
    async with asyncio.timeout(3 * LATER):
        while len(at.guests):  # noqa: ASYNC110 - nobody but a test waits for this
            await asyncio.sleep(0.02)


async def hung_up(reader: asyncio.StreamReader) -> float:
    """Seconds until the agent hung up."""
    started = time.monotonic()
    async with asyncio.timeout(LATER):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    return time.monotonic() - started


async def test_a_handshake_that_never_begins_ends(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HANDSHAKE_SECONDS", SOON)
    with structlog.testing.capture_logs() as logs:
        async with served.opened(tmp_path, port) as at, silent(port) as (reader,):
            assert await hung_up(reader) >= SOON / 2
            await everybody_left(at)
    assert events.TLS_REFUSED in {entry["event"] for entry in logs}


@pytest.mark.parametrize("said", [b"", b"GET /v1/health/live HTTP/1.1\r\nHost: x\r\nX-More:"])
async def test_a_request_that_never_ends_its_headers_ends(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(door, "IDLE_SECONDS", SOON)
    async with served.opened(tmp_path, port) as at, line(at) as slow:
        started = time.monotonic()
        await slow.say(said)
        assert await slow.ends() == b""
        assert time.monotonic() - started < LATER


async def test_headers_that_trickle_do_not_prolong_the_wait(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_SECONDS", SOON)
    async with served.opened(tmp_path, port) as at, line(at) as slow:
        started = time.monotonic()
        await slow.say(b"GET /v1/health/live HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while not slow.reader.at_eof() and time.monotonic() - started < LATER:
                await slow.say(b"X-A: b\r\n")
                await asyncio.sleep(0.05)
        assert time.monotonic() - started < LATER


async def test_a_connection_is_kept_between_requests_only_so_long(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_SECONDS", SOON)
    async with served.opened(tmp_path, port) as at, line(at) as idle:
        await idle.say(GET)
        assert (await idle.hear())[0] == 200
        assert await idle.ends() == b""


@pytest.mark.parametrize(
    "length", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
async def test_a_body_that_never_ends_is_told_so_and_nothing_changes(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, length: bytes
) -> None:
    monkeypatch.setattr(application, "BODY_SECONDS", SOON)
    monkeypatch.setattr(door, "LINGER_SECONDS", SOON)
    async with served.opened(tmp_path, port) as at, line(at) as slow:
        before = dict(at.bench.storage.files)
        await slow.say(
            b"PUT /v1/desired HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + length
            + b"\r\n\r\n"
        )
        await slow.say(b'5\r\n{"a":\r\n' if b"chunked" in length else b'{"a":')
        assert "within" in (await slow.problem(ProblemType.TOO_SLOW)).detail
        assert await slow.ends() == b""
        assert dict(at.bench.storage.files) == before


async def test_a_large_body_that_never_ends_keeps_the_next_one_waiting_only_so_long(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "RULES_BODY_SECONDS", SOON)
    head = b"PUT /v1/public-rules HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    async with served.opened(tmp_path, port) as at, line(at) as slow, line(at) as honest:
        await slow.say(head + b"Content-Length: 30000000\r\n\r\n{")
        await asyncio.sleep(0.05)
        body = b'{"revision": 1, "epoch": 1, "rules": []}'
        await honest.say(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await honest.problem(ProblemType.NOT_CONFIGURED)
        await slow.problem(ProblemType.TOO_SLOW)


async def test_a_client_that_does_not_read_is_left(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ANSWER_SECONDS", SOON)
    async with served.opened(tmp_path, port) as at, line(at, limit=2**10) as deaf:
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(deaf.say(b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n" * 60_000), 1.0)
        await everybody_left(at)


async def test_there_is_room_for_so_many_from_one_place_and_for_others_still(
    tmp_path: Path, port: int
) -> None:
    few = Guests(most=10, most_from_one=3)
    async with served.opened(tmp_path, port, guests=few) as at, silent(port, 3) as quiet:
        await asyncio.sleep(0.1)
        async with silent(port) as (refused,):
            assert await hung_up(refused) < SOON
        assert len(few) == 3
        assert not any(reader.at_eof() for reader in quiet)
        _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
        await asyncio.sleep(0.1)
        assert len(few) == 4
        writer.transport.abort()
        del at


async def test_who_has_shown_a_certificate_does_not_give_way_to_the_silent(tmp_path: Path, port: int) -> None:
    few = Guests(most=4, most_from_one=100)
    async with served.opened(tmp_path, port, guests=few) as at, line(at) as known, silent(port, 20):
        await known.say(GET)
        assert (await known.hear())[0] == 200
        async with line(at) as late:
            await late.say(GET)
            assert (await late.hear())[0] == 200
        assert len(few) <= 4


async def test_places_are_free_again_when_connections_end(tmp_path: Path, port: int) -> None:
    async with served.opened(tmp_path, port) as at:
        for _ in range(3):
            async with line(at) as one:
                await one.say(GET)
                await one.hear()
        await everybody_left(at)


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/observed HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + b"\r\n",
        PUT + b"Content-Length: -1\r\n\r\n",
        PUT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    ],
    ids=[
        *("words", "http-2", "tls", "version", "no-colon", "long-line", "long-header", "many-headers"),
        *("negative-length", "two-lengths", "length-and-chunks", "carriage-return", "nul"),
    ],
)
async def test_what_is_not_http_is_answered_by_a_problem_and_the_connection_ends(
    tmp_path: Path, port: int, said: bytes
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with served.opened(tmp_path, port) as at, line(at) as rude:
            await rude.say(said)
            assert "RFC 9112" in (await rude.problem(ProblemType.MALFORMED)).detail
            await rude.ends()
    assert events.API_NOT_HTTP in {entry["event"] for entry in logs}


async def test_a_chunk_that_is_none_is_a_problem(tmp_path: Path, port: int) -> None:
    async with served.opened(tmp_path, port) as at, line(at) as rude:
        await rude.say(
            b"PUT /v1/desired HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
        )
        await rude.problem(ProblemType.MALFORMED)


async def test_requests_in_a_pipeline_are_answered_in_turn(tmp_path: Path, port: int) -> None:
    async with served.opened(tmp_path, port) as at, line(at) as eager:
        await eager.say(GET * 100)
        for _ in range(100):
            assert (await eager.hear())[0] == 200


@pytest.mark.parametrize("coding", ["deflate", "gzip", "br", "identity, deflate"])
async def test_nothing_is_inflated(tmp_path: Path, port: int, coding: str) -> None:
    bomb = zlib.compress(b" " * 10_000_000)
    async with served.opened(tmp_path, port) as at, line(at) as rude:
        head = (
            "PUT /v1/desired HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n"
        )
        await rude.say(head.encode() + bomb)
        assert "Content-Encoding" in (await rude.problem(ProblemType.UNSUPPORTED_MEDIA_TYPE)).detail


async def test_a_chunked_body_has_the_limit_that_a_measured_one_has(tmp_path: Path, port: int) -> None:
    async with served.opened(tmp_path, port) as at, line(at) as rude:
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        await rude.say(
            b"PUT /v1/desired HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
            + chunk * (application.BODY_BYTES // 0x8000 + 1)
            + b"0\r\n\r\n"
        )
        await rude.problem(ProblemType.TOO_LARGE)


async def test_a_body_is_not_asked_for_when_it_is_too_long(tmp_path: Path, port: int) -> None:
    async with served.opened(tmp_path, port) as at, line(at) as rude:
        await rude.say(
            b"PUT /v1/desired HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (application.BODY_BYTES + 1)
        )
        await rude.problem(ProblemType.TOO_LARGE)


async def test_a_document_in_many_pieces_arrives(tmp_path: Path, port: int) -> None:
    text = codec.encode(tenant(1))
    async with served.opened(tmp_path, port) as at, line(at) as patient:
        await patient.say(
            b"POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for start in range(0, len(text), 100):
            piece = text[start : start + 100]
            await patient.say(b"%x\r\n" % len(piece) + piece + b"\r\n")
        await patient.say(b"0\r\n\r\n")
        status, _, body = await patient.hear()
        assert (status, "operations" in json.loads(body)) == (200, True)


def test_a_host_of_ipv6_counts_once_whatever_addresses_it_takes() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")
    assert source_of("fe80::1%eth0") == source_of("fe80::2")


def test_leaving_twice_frees_one_place() -> None:
    few = Guests(most=2, most_from_one=2)
    first = few.receive("192.0.2.1")
    assert first is not None
    assert few.receive("192.0.2.1") is not None
    assert few.receive("192.0.2.1") is None
    few.leave(first)
    few.leave(first)
    assert few.receive("192.0.2.1") is not None
    assert few.receive("192.0.2.2") is None, "nobody here is shaking hands, so nobody gives way"
    assert guests.CONNECTIONS_FROM_ONE < guests.CONNECTIONS
