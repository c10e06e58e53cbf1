"""A controller's certificate that was revoked, over real TLS: at new connections, at those that are open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import structlog
from msgspec import structs

from causeway_agent.engine import events
from causeway_controller.trust import pki
from causeway_wire import codec
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired
from causeway_wire.observed import Observed
from causeway_wire.problem import Problem, ProblemType
from causeway_wire.routes import Permission
from tests.agents import Bench, tenant
from tests.served import AUTHORITY, LOOPBACK, NOW, Door, opened

SOON = 10.0
"""Seconds for what takes a moment; the machine may be busy."""


@dataclass
class Controller:
    """A client that keeps one connection, and the serial number of its certificate."""

    session: aiohttp.ClientSession
    serial: str

    async def put(self, document: Desired, etag: str = "*") -> aiohttp.ClientResponse:
        condition = {"If-None-Match": "*"} if etag == "*" else {"If-Match": etag}
        headers = {"Content-Type": "application/json", **condition}
        return await self.session.put("/v1/desired", data=codec.encode(document), headers=headers)

    async def applied(self, document: Desired, etag: str = "*") -> str:
        """The entity tag once the document is in force."""
        answer = await self.put(document, etag)
        assert answer.status == 202, await answer.text()
        final = await self.session.get(answer.headers["Location"], params={"wait": "10s"})
        assert codec.decode(await final.read(), Change).state is ChangeState.DONE
        return answer.headers["ETag"]

    async def works(self) -> bool:
        """Whether it is let in."""
        try:
            return (await self.session.get("/v1/observed")).status == 200
        except aiohttp.ClientError:
            return False


def certificate(name: str) -> tuple[bytes, bytes, str]:
    """A controller's certificate, its key, and its serial number as documents write it."""
    key = pki.make_key()
    permissions = (Permission.OBSERVE, Permission.APPLY)
    made = pki.issue_controller(AUTHORITY, key.public_key(), name=name, permissions=permissions, now=NOW)
    return made.encode(), pki.private_pem(key), pki.serial(made)


@contextlib.asynccontextmanager
async def connected(door: Door, made: tuple[bytes, bytes, str]) -> AsyncIterator[Controller]:
    context = door.client_context(authority=None)
    door.load(context, made[0], made[1])
    address, port = door.listener.endpoint or ("", 0)
    connector = aiohttp.TCPConnector(ssl=context, limit=1)
    async with aiohttp.ClientSession(f"https://{address}:{port}", connector=connector) as session:
        yield Controller(session, made[2])


@contextlib.asynccontextmanager
async def served(directory: Path, port: int, bench: Bench | None = None) -> AsyncIterator[Door]:
    """An API that also follows its document, as in operation."""
    async with opened(directory, port, bench=bench) as door:
        following = asyncio.create_task(door.serving.follow())
        try:
            yield door
        finally:
            following.cancel()
            await asyncio.wait([following])


def document(generation: int, *revoked: str) -> Desired:
    """A document that revokes these. Its address is none of this machine's: the API stays on loopback."""
    made = tenant(generation)
    return structs.replace(made, management=structs.replace(made.management, revoked=revoked))


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    return unused_tcp_port


@pytest.fixture
async def served_at_first(tmp_path: Path, port: int) -> AsyncIterator[tuple[Door, Path]]:
    async with served(tmp_path, port) as door:
        yield door, tmp_path


async def test_a_revoked_certificate_gets_no_connection(served_at_first: tuple[Door, Path]) -> None:
    door, _ = served_at_first
    thief, owner = certificate("c1"), certificate("c2")
    async with connected(door, owner) as here:
        await here.applied(document(1, thief[2]))
        with structlog.testing.capture_logs() as logs:
            async with connected(door, thief) as stolen:
                with pytest.raises(aiohttp.ClientError):
                    await stolen.session.get("/v1/observed")
        async with connected(door, certificate("c1")) as renewed:
            assert await renewed.works()
        seen = codec.decode(await (await here.session.get("/v1/observed")).read(), Observed)
    told = [(each["reason"], each["serial"]) for each in logs if each["event"] == events.TLS_REFUSED]
    assert set(told) == {("CERTIFICATE_REVOKED", thief[2])}
    # The client tries a GET twice when its connection ends.
    assert [(one.serial, one.at, one.refused) for one in seen.revoked] == [(thief[2], "api", len(told))]


async def test_open_connections_of_a_revoked_certificate_end_and_others_stay(
    served_at_first: tuple[Door, Path],
) -> None:
    door, _ = served_at_first
    thief, owner, third = certificate("c1"), certificate("c2"), certificate("c3")
    async with (
        connected(door, thief) as stolen,
        connected(door, owner) as here,
        connected(door, third) as other,
    ):
        first = await here.applied(document(1))
        assert await stolen.works()
        change = codec.decode(await (await other.session.get("/v1/observed")).read(), Observed).change
        before = {guest.transport for guest in door.guests._here}
        poll = asyncio.create_task(other.session.get(f"/v1/changes/{change}", params={"wait": "1s"}))
        await here.applied(document(2, thief[2]), first)
        async with asyncio.timeout(SOON):
            while len(door.guests) > 2:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
        assert (await poll).status == 200
        assert await here.works()
        assert await other.works()
        after = {guest.transport for guest in door.guests._here}
        assert after < before, "the others' connections are the same as before"
        assert not await stolen.works()


async def test_a_revoked_certificate_is_refused_by_every_request_even_before_its_connection_ends(
    tmp_path: Path, port: int
) -> None:
    async with opened(tmp_path, port) as door:  # nobody ends connections here
        thief, owner = certificate("c1"), certificate("c2")
        async with connected(door, thief) as stolen, connected(door, owner) as here:
            assert await stolen.works()
            await here.applied(document(1, thief[2]))
            answer = await stolen.put(document(2), "*")
            assert (answer.status, (await answer.json())["detail"]) == (
                403,
                "the client certificate is revoked; use another one",
            )
            assert door.engine.state.in_force is not None
            assert door.engine.state.in_force.document.generation == 1


async def test_a_restarted_agent_still_refuses_and_a_document_takes_it_back(
    tmp_path: Path, port: int
) -> None:
    thief, owner, bench = certificate("c1"), certificate("c2"), Bench()
    async with served(tmp_path, port, bench) as door, connected(door, owner) as here:
        tag = await here.applied(document(1, thief[2]))
    async with served(tmp_path, port, bench) as door:
        await door.listener.serve(LOOPBACK, port)
        async with connected(door, thief) as stolen:
            assert not await stolen.works()
        async with connected(door, owner) as here:
            await here.applied(document(2), tag)
        async with connected(door, thief) as found_again:
            assert await found_again.works()


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_nobody_revokes_the_certificate_in_hand(
    served_at_first: tuple[Door, Path], method: str
) -> None:
    door, _ = served_at_first
    owner, other = certificate("c2"), certificate("c3")
    async with connected(door, owner) as here:
        sent = document(1, other[2], here.serial)
        if method == "PUT":
            answer = await here.put(sent)
        else:
            headers = {"Content-Type": "application/json"}
            answer = await here.session.post("/v1/plan", data=codec.encode(sent), headers=headers)
        found = codec.decode(await answer.read(), Problem)
        assert (found.type, found.pointer) == (ProblemType.CUTS_MANAGEMENT.urn, "/management/revoked/1")
        assert await here.works()
    async with connected(door, other) as third:
        await third.applied(document(1, owner[2]))
