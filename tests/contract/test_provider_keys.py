"""The key that tenants' controllers know a provider by is replaced, and nobody meets a stranger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from causeway_controller.api.callers import Caller
from causeway_controller.api.exchange import Ask
from causeway_controller.api.members import MemberHandlers
from causeway_controller.contract import member_routes
from causeway_controller.contract.access import Role
from causeway_controller.contract.routes import Route
from causeway_controller.errors import PeerUnknown
from causeway_wire.problem import ProblemError, ProblemType
from tests.two_sites import NAME, World, two_sites


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


def asked(route: Route) -> Ask:
    """What an administrator asks at the provider's, with nothing in it."""
    caller = Caller(name="anna", role=Role.ADMIN, tenant=None, identity="token:anna")
    http = make_mocked_request(route.method, route.path)
    return Ask(route=route, caller=caller, places={}, query={}, headers={}, http=http)


async def test_the_providers_key_is_replaced_without_a_stranger_in_between(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        pins = world.peering.keys.announce(actor="anna")
        assert world.peering.keys.announce(actor="anna") == pins
        with pytest.raises(ProblemError) as caught:
            world.peering.keys.switch(actor="anna", force=False)
        assert caught.value.problem.type == ProblemType.MEMBERS_BEHIND.urn
        early = world.invited("zeta")
        await tenant.providers.rescan(NAME)
        assert tenant.link().pins == pins.both
        world.peering.keys.switch(actor="anna", force=False)
        world.tls.refresh()
        await tenant.providers.rescan(NAME)
        assert tenant.link().pins == (pins.next,)
        async with world.tenant("zeta") as other:
            await other.join(early)


async def test_whoever_is_invited_after_a_key_was_replaced_may_come_at_once(world: World) -> None:
    async with world.tenant() as tenant:
        world.peering.keys.announce(actor="anna")
        await MemberHandlers(peering=world.peering).switch(asked(member_routes.SWITCH_KEY))
        await tenant.join(world.invited())


async def test_a_member_that_never_heard_of_a_forced_key_meets_a_stranger(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        world.peering.keys.announce(actor="anna")
        world.peering.keys.switch(actor="anna", force=True)
        world.tls.refresh()
        with pytest.raises(PeerUnknown):
            await tenant.providers.rescan(NAME)
