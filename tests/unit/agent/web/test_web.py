"""The server, told octet by octet what clients say: what it reads and answers, when a connection ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from causeway_agent.web.conversation import Deadlines
from causeway_agent.web.line import HELD_BYTES
from causeway_agent.web.message import BodyError, Request, Response
from causeway_agent.web.server import Server
from tests import octets
from tests.octets import PATIENCE, Talk

Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class Scripted:
    """An application of one handler, and the errors that it was told of."""

    handler: Handler
    garbage: list[Exception] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        return await self.handler(request)

    def garbled(self, error: Exception) -> Response:
        self.garbage.append(error)
        return Response(status=400, body=b"garbled")


@dataclass
class Served:
    """A server on loopback."""

    server: Server
    port: int

    def talk(self) -> AbstractAsyncContextManager[Talk]:
        return octets.talk(self.port)


@contextlib.asynccontextmanager
async def serving(
    handler: Handler | Scripted, *, request: float = PATIENCE, linger: float = PATIENCE
) -> AsyncIterator[Served]:
    application = handler if isinstance(handler, Scripted) else Scripted(handler)
    server = Server(application)
    deadlines = Deadlines(request=request, answer=PATIENCE, linger=linger)
    accepting = await asyncio.get_running_loop().create_server(lambda: server.line(deadlines), "127.0.0.1", 0)
    try:
        yield Served(server, accepting.sockets[0].getsockname()[1])
    finally:
        accepting.close()
        await server.shutdown(0.1)


async def hello(request: Request) -> Response:
    return Response(body=f"{request.method} {request.path}".encode(), content_type="text/plain")


async def read(request: Request) -> Response:
    return Response(body=b"%d octets" % len(await request.read(limit=10**9)))


async def deny(_request: Request) -> Response:
    return Response(status=403, body=b"no")


async def test_head_is_told_the_length_and_sent_no_body() -> None:
    async with serving(hello) as at, at.talk() as talk:
        await talk.say(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"content-length: 7\r\n" in (await talk.head()).lower()
        assert (await talk.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await talk.reader.readexactly(6) == b"GET /b"


async def test_an_answer_says_when_as_http_writes_it() -> None:
    async with serving(hello) as at, at.talk() as talk:
        before = datetime.now(UTC).replace(microsecond=0)
        await talk.say(b"GET / HTTP/1.0\r\n\r\n")
        (line,) = (each for each in (await talk.ends()).split(b"\r\n") if each.lower().startswith(b"date: "))
    said = line[len(b"date: ") :].decode()
    moment = parsedate_to_datetime(said)
    assert format_datetime(moment, usegmt=True) == said
    assert before <= moment <= datetime.now(UTC)


async def test_an_old_client_is_answered_and_the_connection_ends() -> None:
    async with serving(hello) as at, at.talk() as talk:
        await talk.say(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await talk.ends()).partition(b"\r\n\r\n")
        assert (head.startswith(b"HTTP/1.1 200"), body) == (True, b"GET /")


@pytest.mark.parametrize(
    ("target", "segments", "query"),
    [
        (b"/a/b%2Fc?x=1&x=2&y", ("a", "b/c"), [("x", ("1", "2")), ("y", ("",))]),
        (b"http://any.example/a?x=a+b%20c", ("a",), [("x", ("a b c",))]),
        (b"/%e2%82%ac", ("€",), []),
        (b"/%", ("%",), []),
        (b"//a/", ("", "a", ""), []),
        (b"http://any.example", ("",), []),
    ],
)
async def test_a_target_is_taken_apart_before_it_is_decoded(
    target: bytes, segments: tuple[str, ...], query: list[tuple[str, tuple[str, ...]]]
) -> None:
    seen: list[Request] = []

    async def keep(request: Request) -> Response:
        seen.append(request)
        return Response()

    async with serving(keep) as at, at.talk() as talk:
        await talk.say(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        await talk.head()
    assert seen[0].segments == segments
    assert [(name, tuple(seen[0].query.getall(name))) for name in seen[0].query] == query


async def test_a_client_that_asks_first_is_told_to_go_on_when_its_body_is_wanted() -> None:
    async with serving(read) as at, at.talk() as talk:
        await talk.say(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert (await talk.head()).startswith(b"HTTP/1.1 100 ")
        await talk.say(b"abc")
        assert (await talk.head()).startswith(b"HTTP/1.1 200 ")
        assert await talk.reader.readexactly(8) == b"3 octets"


async def test_a_client_that_asks_first_is_refused_without_its_body() -> None:
    async with serving(deny, linger=0.1) as at, at.talk() as talk:
        await talk.say(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        answer = await talk.ends()
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "head",
    [
        b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_two_readers_could_read_differently_is_refused_with_all_that_follows(head: bytes) -> None:
    application = Scripted(hello)
    async with serving(application) as at, at.talk() as talk:
        await talk.say(head + b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await talk.ends()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"garbled")
    assert len(application.garbage) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n",
        b"HEAD / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    ],
)
async def test_a_refusal_has_a_body_where_its_reader_expects_one(said: bytes) -> None:
    async with serving(hello) as at, at.talk() as talk:
        await talk.say(said)
        answer = await talk.ends()
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert answer.endswith(b"garbled") is (b"nonsense" in said)


async def test_an_upgrade_is_not_taken_and_the_conversation_goes_on() -> None:
    async with serving(hello) as at, at.talk() as talk:
        await talk.say(
            b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABk\r\n\r\n"
        )
        await talk.head()
        assert await talk.reader.readexactly(6) == b"GET /1"
        await talk.say(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        await talk.head()
        assert await talk.reader.readexactly(6) == b"GET /2"


async def test_a_small_body_that_nobody_wants_does_not_end_the_connection() -> None:
    async with serving(deny) as at, at.talk() as talk:
        for _ in range(3):
            await talk.say(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
            assert b"connection: close" not in (await talk.head()).lower()
            assert await talk.reader.readexactly(2) == b"no"


async def test_a_large_body_that_nobody_wants_is_read_so_that_its_refusal_is() -> None:
    octets = 8 * HELD_BYTES
    async with serving(deny) as at, at.talk() as talk:
        await talk.say(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % octets)
        answered = await talk.head()
        assert answered.startswith(b"HTTP/1.1 403 ")
        assert b"connection: close" in answered.lower()
        await talk.say(b"x" * octets)
        assert await talk.ends() == b"no"


async def test_a_body_that_nobody_reads_yet_is_held_back() -> None:
    go = asyncio.Event()

    async def slowly(request: Request) -> Response:
        await go.wait()
        return await read(request)

    octets = 64 * 1024 * 1024
    async with serving(slowly) as at, at.talk() as talk:
        await talk.say(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % octets)
        sending = asyncio.create_task(talk.say(b"x" * octets))
        await asyncio.sleep(0.5)
        assert not sending.done(), "the client is made to wait"
        (conversation,) = at.server._under_way.values()
        assert conversation._line._octets <= 2 * HELD_BYTES
        go.set()
        await sending
        await talk.head()
        assert await talk.reader.read(100) == b"%d octets" % octets


async def test_chunks_are_read_to_their_end_however_they_are_cut() -> None:
    body = (
        b"".join(b"%x;note=1\r\n" % n + b"y" * n + b"\r\n" for n in (1, 2, 70_000))
        + b"0\r\nX-Trailer: 1\r\n\r\n"
    )
    said = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    async with serving(read) as at, at.talk() as talk:
        for size in (len(said), 7001):
            for start in range(0, len(said), size):
                await talk.say(said[start : start + size])
            await talk.head()
            assert await talk.reader.readexactly(12) == b"70003 octets"


async def test_a_handler_goes_on_when_its_client_leaves() -> None:
    asked, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(_request: Request) -> Response:
        asked.set()
        await go.wait()
        done.set()
        return Response()

    async with serving(work) as at:
        async with at.talk() as talk:
            await talk.say(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
            await asked.wait()
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.wait_for(done.wait(), PATIENCE)


async def test_a_handler_that_waits_for_a_body_ends_with_its_client() -> None:
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def wait(request: Request) -> Response:
        try:
            return await read(request)
        except (ConnectionError, BodyError) as error:
            ended.set_result(error)
            raise ConnectionResetError from error

    async with serving(wait) as at:
        async with at.talk() as talk:
            await talk.say(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            await asyncio.sleep(0.05)
        assert isinstance(await asyncio.wait_for(ended, PATIENCE), ConnectionError)


async def test_at_the_end_idle_connections_close_and_waiting_ones_are_cut() -> None:
    asked = asyncio.Event()
    cut = asyncio.Event()

    async def poll(request: Request) -> Response:
        if request.path != "/poll":
            return Response()
        asked.set()
        try:
            await asyncio.sleep(1000)
        finally:
            cut.set()
        return Response()

    async with serving(poll) as at, at.talk() as idle, at.talk() as polling, at.talk() as new:
        await idle.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await idle.head()
        await polling.say(b"GET /poll HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        await asyncio.wait_for(at.server.shutdown(0.1), PATIENCE)
        assert cut.is_set()
        for talk in (idle, polling, new):
            assert await talk.ends() == b""


async def test_a_request_under_way_at_the_end_is_answered() -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def work(_request: Request) -> Response:
        asked.set()
        await go.wait()
        return Response(body=b"done")

    async with serving(work) as at, at.talk() as talk:
        await talk.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        ending = asyncio.create_task(at.server.shutdown(PATIENCE))
        await asyncio.sleep(0)
        go.set()
        answer = await talk.ends()
        await ending
    assert answer.endswith(b"done")
    assert b"connection: close" in answer.lower()


async def test_a_large_answer_arrives_whole() -> None:
    body = bytes(range(256)) * 50_000

    async def large(_request: Request) -> Response:
        return Response(body=body)

    async with serving(large) as at, at.talk() as talk:
        await talk.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await talk.head()
        async with asyncio.timeout(PATIENCE):
            assert await talk.reader.readexactly(len(body)) == body
