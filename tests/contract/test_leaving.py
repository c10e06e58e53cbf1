"""Between the last look whether a provider is relied on and its end, nothing begins over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from causeway_controller.contract.joining import LinkState
from causeway_controller.errors import PeerUnreachable
from causeway_controller.peers.client import ProviderClient
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.links import Link
from causeway_controller.store.runs import Run, Runs
from causeway_controller.workflows import providers
from causeway_controller.workflows.providers import client_of
from causeway_wire.problem import ProblemError
from tests.contract.test_production import LAN, site
from tests.faulty_line import Fault
from tests.two_sites import NAME, World, two_sites

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


async def test_while_a_provider_is_left_nothing_begins_over_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the last look on; and where it was not left, all is as before."""
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        Inventories(tenant.database, now=world.clock).replace(site(), expected=0, actor="test")
        runs, states = Runs(tenant.database), list[LinkState]()

        def asked(network: str) -> Run:
            at = world.clock()
            return Run(id=f"r-{network}", tenant="acme", host=network, request="{}", actor="anna", at=at)

        def meanwhile(link: Link) -> ProviderClient:
            states.append(tenant.link().state)
            with pytest.raises(ProblemError, match=f"the provider of network {LAN.id} is being left"):
                runs.start(asked(LAN.id))
            runs.start(asked("of-another-provider"))
            world.line.faults = [Fault.REFUSED] * 9
            return client_of(link)

        with monkeypatch.context() as patch:
            patch.setattr(providers, "client_of", meanwhile)
            with pytest.raises(PeerUnreachable):
                await tenant.leave()
        world.line.faults = []
        runs.start(asked(LAN.id))
        assert (states, tenant.link().state) == ([LinkState.LEAVING], LinkState.JOINED)
        with pytest.raises(ProblemError, match="a run is under way"):
            await tenant.leave()


async def test_who_died_while_leaving_leaves_it_when_asked_again(world: World) -> None:
    async with world.tenant() as tenant:
        await tenant.join(world.invited())
        tenant.links.leaving(NAME)
        await tenant.providers.rescan(NAME)
        told = tenant.links.report(NAME)
        assert told.state is LinkState.LEAVING
        assert "`causeway provider leave north` again" in str(told.trouble)
        await tenant.leave()
        assert (tenant.links.names(), world.members()) == ((), [])
