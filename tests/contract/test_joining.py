"""A tenant's controller joins a provider's over real TLS; every message lost, delayed or repeated."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec import structs

from causeway_controller.contract.joining import LinkState
from causeway_controller.errors import PeerUnknown, PeerUnreachable
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.links import Link
from causeway_controller.trust import pki, server_certificate, tls_files
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Secret
from tests import joining
from tests.controller_api import two_tenants
from tests.faulty_line import Fault, line
from tests.provider_inventory import seed_example
from tests.two_sites import NAME, World, two_sites

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


async def until_done(doing: Callable[[], Awaitable[None]]) -> int:
    """How often it was asked for until it was answered."""
    for attempt in range(1, 5):
        with contextlib.suppress(PeerUnreachable):
            await doing()
            return attempt
    raise AssertionError("it was never answered")


async def test_a_tenant_joins_is_known_and_leaves(world: World) -> None:
    async with world.tenant() as tenant:
        invitation = world.invited()
        await tenant.join(invitation)
        link = tenant.link()
        assert (link.state, link.tenant, link.invitation) == (LinkState.JOINED, "acme", None)
        await tenant.providers.rescan(NAME)
        assert world.members() == ["acme"]
        await tenant.leave()
        assert (world.members(), tenant.links.names()) == ([], ())
        assert {"invitation.make", "invitation.accept", "member.leave"} <= set(world.acts())


async def test_what_is_its_own_there_is_known_once_it_has_joined_and_after_each_rescan(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        known = tenant.told.resources(NAME)
        assert known is not None, "an appliance may be deployed at once"
        assert known.tenant == "acme"
        tenant.told.keep(NAME, structs.replace(known, replicas=()))
        await tenant.providers.rescan(NAME)
        assert tenant.told.resources(NAME) == known


async def test_the_secret_is_kept_by_neither_side(world: World) -> None:
    async with world.tenant() as tenant:
        invitation = world.invited()
        await tenant.join(invitation)
    hidden = invitation.secret.split("_", 2)[2].encode()
    kept = b"".join(path.read_bytes() for path in world.directory.iterdir())
    assert invitation.secret.split("_")[1].encode() in kept
    assert hidden not in kept
    assert hidden not in bytes(world.line.seen)


LOST = [Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST]


@pytest.mark.parametrize("fault", [*LOST, Fault.DELAYED, Fault.REPEATED])
async def test_joining_ends_in_one_member_whatever_becomes_of_a_message(world: World, fault: Fault) -> None:
    async with world.tenant() as tenant:
        invitation = world.invited()
        world.line.faults = [fault]
        attempts = await until_done(lambda: tenant.join(invitation))
        assert (attempts > 1) is (fault in LOST)
        assert world.line.struck == [fault]
        await tenant.providers.rescan(NAME)
    assert world.members() == ["acme"]
    assert world.acts().count("invitation.accept") == 1
    assert await world.troubles() == []


@pytest.mark.parametrize(
    ("connection", "request_", "fault"),
    [
        # Over the first connection one asks how one stands, then renews; the second shows what came of it.
        *((0, 0, fault) for fault in (*LOST, Fault.DELAYED, Fault.REPEATED)),
        *((0, 1, fault) for fault in (Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.DELAYED)),
        *((1, 0, fault) for fault in LOST),
    ],
)
async def test_renewing_never_locks_out_whatever_becomes_of_a_message(
    world: World, connection: int, request_: int, fault: Fault
) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        before = tenant.link()
        world.clock.pass_(days=300)
        world.line.faults, world.line.spared = [*([Fault.NONE] * connection), fault], request_
        await until_done(lambda: tenant.providers.rescan(NAME))
        assert world.line.struck == [fault]
        after = tenant.link()
        assert after.certificate != before.certificate
        assert after.key != before.key
        await tenant.providers.rescan(NAME)
        assert await status_of(world, before) == 401, "a key that was replaced counts no more"


@pytest.mark.parametrize("fault", [*LOST, Fault.DELAYED, Fault.REPEATED])
async def test_leaving_ends_in_no_member_whatever_becomes_of_a_message(world: World, fault: Fault) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        world.line.faults = [fault]
        await until_done(tenant.leave)
        assert world.line.struck == [fault]
        assert tenant.links.names() == ()
    assert world.members() == []


async def test_who_leaves_while_joining_is_no_member_either(world: World) -> None:
    async with world.tenant() as tenant:
        world.line.faults = [Fault.ANSWER_LOST]
        with pytest.raises(PeerUnreachable):
            await tenant.join(world.invited())
        assert world.members() == ["acme"]
        await tenant.leave()
    assert world.members() == []


async def test_another_key_is_refused_and_raises_an_alarm_that_stays(world: World) -> None:
    invitation = world.invited()
    async with world.tenant() as tenant, world.tenant("thief") as thief:
        await tenant.join(invitation)
        with pytest.raises(ProblemError) as caught:
            await thief.join(invitation)
        assert caught.value.problem.type == ProblemType.INVITATION_USED.urn
        assert thief.links.names() == ()
        await tenant.providers.rescan(NAME)
    assert "invitation.second-key" in world.acts()
    (trouble,) = await world.troubles()
    assert "127.0.0.1" in trouble
    (told,) = world.peering.invitations.list()
    world.peering.invitations.revoke(told.id, actor="anna")
    assert await world.troubles() == []


async def test_a_thief_who_is_first_is_noticed_and_put_out(world: World) -> None:
    invitation = world.invited()
    async with world.tenant() as tenant, world.tenant("thief") as thief:
        await thief.join(invitation)
        with pytest.raises(ProblemError):
            await tenant.join(invitation)
        assert len(await world.troubles()) == 1
        world.peering.members.end("acme", action="member.expel", actor="anna")
        await tenant.join(world.invited())
        await tenant.providers.rescan(NAME)
        with pytest.raises(ProblemError):
            await thief.providers.rescan(NAME)
        assert thief.link().state is LinkState.OUT


async def test_expired_revoked_unknown_and_cut_invitations_let_nobody_in(world: World) -> None:
    expired, revoked, unknown = world.invited(hours=1), world.invited(hours=2), world.invited(hours=5)
    (told,) = [one for one in world.peering.invitations.list() if one.id == revoked.secret[4:16]]
    world.peering.invitations.revoke(told.id, actor="anna")
    world.clock.pass_(hours=1)
    other = unknown.secret[:-1] + ("A" if unknown.secret[-1] != "A" else "B")
    changed = msgspec.structs.replace(unknown, secret=other)
    async with world.tenant() as tenant:
        for invitation in (expired, revoked, changed):
            with pytest.raises(ProblemError) as caught:
                await tenant.join(invitation)
            assert caught.value.problem.type == ProblemType.INVITATION_VOID.urn
        assert tenant.links.names() == ()
    assert world.members() == []


async def test_who_guesses_has_to_wait(world: World) -> None:
    async with world.tenant() as tenant:
        good = world.invited()
        bad = msgspec.structs.replace(good, secret="cwi_000000000000_" + "A" * 43)
        met = []
        for _ in range(12):
            with pytest.raises(ProblemError) as caught:
                await tenant.join(bad)
            met.append(caught.value.problem.type)
    assert met == [ProblemType.INVITATION_VOID.urn] * 10 + [ProblemType.TOO_MANY.urn] * 2


async def test_an_impostor_gets_neither_request_nor_certificate(world: World) -> None:
    """The impostor has the whole handshake on record: nothing but the client's hello came."""
    got = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=world.kept.bundle(joining.AUTHORITY))
    key = pki.make_key()
    made = server_certificate.self_signed(key, names=["127.0.0.1"], now=world.clock())
    tls_files.load(context, pki.pem(made), Secret(pki.private_pem(key).decode()))
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with world.tenant() as tenant, line(server.sockets[0].getsockname()[1]) as tapped:
        good = world.invited()
        await tenant.join(good)
        world.line.port, before = tapped.own, len(tapped.seen)
        assert before == 0
        with pytest.raises(PeerUnknown):
            await tenant.providers.rescan(NAME)
        got += tapped.seen
        trouble = tenant.links.report(NAME).trouble
        assert "another key" in str(trouble)
    server.close()
    length = int.from_bytes(got[3:5], "big") + 5
    after = got[length:]
    # A change of cipher spec (RFC 8446, D.4) and an alert may follow the hello; a certificate is longer.
    assert got[0] == 22
    assert len(after) < 100


async def test_who_is_expelled_is_out_at_once_on_an_open_connection_too(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        async with session(world, tenant.link()) as (client, url):
            assert (await client.get(url)).status == 200
            connections = world.line.connections
            world.peering.members.end("acme", action="member.expel", actor="anna")
            assert (await client.get(url)).status == 401
            assert world.line.connections == connections
        with pytest.raises(ProblemError):
            await tenant.providers.rescan(NAME)
        report = tenant.links.report(NAME)
        assert report.state is LinkState.OUT
        assert "ask the provider for an invitation" in str(report.trouble)
        await tenant.join(world.invited())
        await tenant.providers.rescan(NAME)
        assert tenant.link().state is LinkState.JOINED


async def test_a_tenant_that_leaves_the_inventory_is_out_and_its_name_is_nobodys(world: World) -> None:
    inventories = Inventories(world.database, now=world.clock)
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        waiting = world.invited()
        inventories.replace(seed_example(tenants=()), expected=1, actor="anna")
        inventories.replace(two_tenants(), expected=2, actor="anna")
        with pytest.raises(ProblemError):
            await tenant.providers.rescan(NAME)
        with pytest.raises(ProblemError):
            await tenant.join(waiting)


async def test_a_newer_invitation_replaces_the_tenants_controller(world: World) -> None:
    async with world.tenant() as lost, world.tenant("acme2") as new:
        await lost.join(world.invited())
        assert world.peering.invitations.make("acme", hours=1, actor="anna").replaces
        await new.join(world.invited())
        await new.providers.rescan(NAME)
        with pytest.raises(ProblemError):
            await lost.providers.rescan(NAME)


@pytest.mark.parametrize("days", [-800, -3, 3, 800])
async def test_clocks_apart_change_nothing(world: World, days: int) -> None:
    async with world.tenant(ahead=timedelta(days=days)) as tenant:
        await tenant.join(world.invited())
        await tenant.providers.rescan(NAME)
        before = tenant.link()
        world.clock.pass_(days=200)
        await tenant.providers.rescan(NAME)
        assert tenant.link().certificate == before.certificate, "two thirds by the provider's clock"
        world.clock.pass_(days=100)
        await tenant.providers.rescan(NAME)
        assert tenant.link().certificate != before.certificate


async def test_several_providers_are_joined_beside_each_other(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        await tenant.providers.join(world.invited("zeta"), "south", actor="anna")
        assert sorted(tenant.links.names()) == [NAME, "south"]
        assert {each.tenant for each in tenant.links.reports()} == {"acme", "zeta"}
        keys = {each.own_key for each in tenant.links.reports()}
        assert len(keys) == 2
        await tenant.leave()
        await tenant.providers.rescan("south")


async def test_the_members_authority_is_replaced_and_the_old_ones_certificates_end(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        before = tenant.link()
        world.peering.members.replace_authority(actor="anna")
        world.peering.members.replace_authority(actor="anna")
        assert len(world.kept.generations(joining.AUTHORITY)) == 2
        world.tls.rotate(actor="test")
        world.tls.refresh()
        await tenant.providers.rescan(NAME)
        assert tenant.link().certificate == before.certificate, "not before all controllers trust it"
        world.clock.pass_(minutes=2)
        world.tls.rotate(actor="test")
        await tenant.providers.rescan(NAME)
        assert tenant.link().certificate != before.certificate
        world.tls.rotate(actor="test")
        old, new = world.kept.generations(joining.AUTHORITY)
        assert (old.retired is None, new.retired is None) == (False, True)
        await tenant.providers.rescan(NAME)
        assert await status_of(world, before) == 401


async def test_certificates_of_others_and_none_are_nobody(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        link = tenant.link()
        assert await status_of(world, None) == 401
        stranger = pki.make_member_authority(name="causeway", now=world.clock())
        for authority in (stranger, world.kept):
            key = pki.make_key()
            request = pki.read_request(pki.make_request(key))
            if authority is stranger:
                pem = pki.issue_member(stranger, request, tenant="acme", now=world.clock())
                other = forged(link, pem, key)
                with pytest.raises(aiohttp.ClientError):
                    await status_of(world, other)
        world.clock.pass_(days=397)
        assert await status_of(world, link) == 401, "it has ended by the provider's clock"


def forged(link: Link, certificate: str, key: Any) -> Link:
    return Link(
        name=link.name,
        url=link.url,
        tenant=link.tenant,
        state=link.state,
        pins=link.pins,
        key=Secret(pki.private_pem(key).decode()),
        certificate=certificate,
        invitation=None,
    )


@asynccontextmanager
async def session(world: World, link: Link | None) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A client that shows this link's certificate, or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if link is not None and link.certificate is not None:
        tls_files.load(context, link.certificate, link.key)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as client:
        yield client, f"https://127.0.0.1:{world.line.own}/v1/membership"


async def status_of(world: World, link: Link | None) -> int:
    async with session(world, link) as (client, url):
        return (await client.get(url)).status
