"""Orders of a tenant's controller share a connection, which gives no right that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.joining import Membership
from causeway_controller.contract.requests import FailOver, Undo
from causeway_controller.errors import PeerUnreachable
from causeway_controller.peers.kept_clients import KeptClients
from causeway_controller.workflows.providers import Providers, door_of
from causeway_wire.problem import ProblemError, ProblemType
from tests.faulty_line import Fault
from tests.linked_sites import ONES, agree, linked
from tests.two_sites import NAME, Tenant, World, two_sites

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


async def ask(kept: KeptClients, tenant: Tenant) -> Membership:
    async with kept.client(NAME, door_of(tenant.link())) as client:
        return (await client.ask(tenant_routes.MEMBERSHIP)).read(Membership)


async def test_orders_one_after_the_other_take_one_handshake(world: World) -> None:
    async with world.tenant() as tenant, KeptClients() as kept:
        await tenant.join(world.invited())
        before = world.line.connections
        for _ in range(3):
            await ask(kept, tenant)
        assert world.line.connections == before + 1


async def test_both_halves_and_back_take_few_handshakes(tmp_path: Path, unused_tcp_port: int) -> None:
    async with linked(tmp_path, unused_tcp_port, keeps=True) as both:
        before = both.world.line.connections
        asked = (
            (FailOver(tenant="acme", vms=ONES), "finished"),
            (Undo(tenant="acme", vms=ONES), "failed"),
        )
        for request, ended in asked:
            run = await both.start(request)
            assert await both.ended(run) == "finished", both.tenant.last(run.id)
            agree(both, ended)
        # One, unless a busy machine lets it idle for long; each of at least eight orders had its own.
        assert both.world.line.connections - before < 5


async def test_who_is_expelled_is_out_at_the_next_order(world: World) -> None:
    async with world.tenant() as tenant, KeptClients() as kept:
        await tenant.join(world.invited())
        await ask(kept, tenant)
        connections = world.line.connections
        world.peering.members.end("acme", action="member.expel", actor="anna")
        with pytest.raises(ProblemError) as refused:
            await ask(kept, tenant)
        assert refused.value.problem.type == ProblemType.UNAUTHENTICATED.urn
        assert world.line.connections == connections, "on the connection that was there"


async def test_a_new_certificate_is_shown_with_the_next_order(world: World) -> None:
    async with world.tenant() as tenant, KeptClients() as kept:
        await tenant.join(world.invited())
        assert not (await ask(kept, tenant)).renew
        world.clock.pass_(days=300)
        assert (await ask(kept, tenant)).renew
        await tenant.providers.rescan(NAME)
        connections = world.line.connections
        assert not (await ask(kept, tenant)).renew
        assert world.line.connections == connections + 1


async def test_a_rescan_takes_one_handshake(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        before = world.line.connections
        await tenant.providers.rescan(NAME)
        assert world.line.connections == before + 1


async def test_who_was_not_reached_is_met_anew(world: World) -> None:
    async with world.tenant() as tenant, KeptClients() as kept:
        await tenant.join(world.invited())
        world.line.faults = [Fault.REFUSED]
        with pytest.raises(PeerUnreachable):
            await ask(kept, tenant)
        connections = world.line.connections
        await ask(kept, tenant)
        await ask(kept, tenant)
        assert world.line.connections == connections + 1


async def test_who_asks_while_another_fails_goes_on(world: World) -> None:
    async with world.tenant() as tenant, KeptClients() as kept:
        await tenant.join(world.invited())
        begun = asyncio.Event()

        async def fail() -> None:
            async with kept.client(NAME, door_of(tenant.link())):
                await begun.wait()
                raise PeerUnreachable("as a line does")

        async with kept.client(NAME, door_of(tenant.link())) as client:
            failing = asyncio.create_task(fail())
            await asyncio.sleep(0)
            begun.set()
            with pytest.raises(PeerUnreachable):
                await failing
            assert (await client.ask(tenant_routes.MEMBERSHIP)).status == 200
        connections = world.line.connections
        await ask(kept, tenant)
        assert world.line.connections == connections + 1, "it was closed when nobody used it any more"


async def test_nothing_is_kept_of_a_provider_that_was_left(world: World) -> None:
    async with world.tenant() as tenant, KeptClients() as kept:
        await tenant.join(world.invited())
        await ask(kept, tenant)
        async with kept.client(NAME, door_of(tenant.link())) as client:
            await kept.forget(NAME)
            assert (await client.ask(tenant_routes.MEMBERSHIP)).status == 200
        with pytest.raises(RuntimeError):
            await client.ask(tenant_routes.MEMBERSHIP)


async def test_whatever_controller_of_a_site_leaves_each_hears_of_it(world: World) -> None:
    told = asyncio.Queue[str]()
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        before = world.line.connections
        other = Providers(tenant.links, tenant.told, left=told.put, seconds=0.01)
        following = asyncio.create_task(other.follow())
        while world.line.connections == before:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        await tenant.providers.leave(NAME, actor="anna", force=False)
        assert await told.get() == NAME
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def test_what_is_closed_asks_no_more(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        async with KeptClients() as kept:
            await ask(kept, tenant)
            lent = kept.client(NAME, door_of(tenant.link()))
            client = await lent.__aenter__()
        with pytest.raises(RuntimeError):
            await client.ask(tenant_routes.MEMBERSHIP)
        await lent.__aexit__(None, None, None)
