"""The provider's staff asks a tenant's controller for a partial failover: it begins it, or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_interface
from pathlib import Path

import pytest
from msgspec import structs

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.halves import HalfOrder, Open, Word
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.requests import AskTenant, FailOver, Undo
from causeway_controller.contract.tenant import Starter, Static
from causeway_controller.errors import NotGranted
from causeway_controller.inventory import asked
from causeway_controller.store.counters import Epochs
from causeway_controller.store.database import connect
from causeway_controller.store.halves import Halves
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.asking import PATIENCE, Asking
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.obliging import LOOK, Obliging
from causeway_controller.workflows.providers import client_of
from causeway_controller.workflows.run_record import Keeping, Record
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from tests.provider_inventory import host, tenant
from tests.two_sites import NAME, Tenant, World, two_sites

pytestmark = pytest.mark.timeout(120)
(LAN, *_) = tenant().networks
ASK = AskTenant(tenant="acme", host="esx1", vms=frozenset({"db1"}), reason="its disk is dying")
ID = "r-asking"
HALF = asked.half(ID, LAN.id, end=False)
UNIT = Unit(name=LAN.id, sentence="")


@dataclass
class Bench:
    """Both sites; at the tenant's nobody carries runs out."""

    world: World
    known: Tenant
    obliging: Obliging
    asking: Asking
    inventories: Inventories
    started: list[tuple[FailOver | Undo, str, str, str | None]] = field(default_factory=list)
    seconds: float = 0.0
    goes_on: bool = True
    """Whether what was begun at the tenant's has not ended."""

    async def start(
        self, request: FailOver | Undo, *, host: str, actor: str, identifier: str | None = None
    ) -> Run:
        self.started.append((request, host, actor, identifier))
        return Run(
            id=identifier or "", tenant="acme", host=host, request="", actor=actor, at=self.world.clock()
        )

    def ask(self, wanted: AskTenant = ASK) -> Run:
        """The provider's run, which is open from now on."""
        run = Run(
            id=ID,
            tenant="acme",
            host="",
            request=codec.encode(wanted).decode(),
            actor="otto",
            at=self.world.clock(),
        )
        Runs(self.world.database).start(run)
        return run

    async def look(self) -> None:
        self.seconds += LOOK
        await self.known.providers.resources(NAME)
        await self.obliging.look((), lambda: None)

    async def perform(self, run: Run) -> Done:
        database = self.world.database
        kept = Runs(database)
        record = Record(run, runs=kept, keeping=Keeping(kept), epochs=Epochs(database), now=self.world.clock)
        return await self.asking.perform(record, UNIT)


@asynccontextmanager
async def bench(place: Path, port: int, *starters: Starter) -> AsyncIterator[Bench]:
    """A tenant whose partial failovers these may begin."""
    async with two_sites(place, port) as world, world.tenant() as known:
        await known.join(world.invited())
        database = connect(f"sqlite:///{place}/acme.db")
        inventories = Inventories(database, now=world.clock)
        address = Static(addresses=(ip_interface("192.168.10.250/24"),))
        own = OwnNetwork(
            id=LAN.id,
            prefixes=LAN.prefixes,
            gateways=LAN.gateways,
            appliance=OwnAppliance(host="esx1", network="pg", address=address),
        )
        production = Production(id=NAME, tenant="acme", networks=(own,), partial_failover_by=starters)
        inventories.replace(Inventory(hosts=(host(),), production=(production,)), expected=0, actor="anna")
        assert world.services.peering is not None
        made: list[Bench] = []
        asking = Asking(
            inventories=Inventories(world.database, now=world.clock),
            members=world.services.peering.members,
            halves=Halves(world.database),
            standings=Standings(world.database),
            runs=Runs(world.database),
            now=world.clock,
            look=0.05,
        )

        async def start(
            request: FailOver | Undo, *, host: str, actor: str, identifier: str | None = None
        ) -> Run:
            return await made[0].start(request, host=host, actor=actor, identifier=identifier)

        obliging = Obliging(
            inventories=inventories,
            told=known.told,
            resources=known.providers.resources,
            links=known.links,
            start=start,
            is_open=lambda _: made[0].goes_on,
            clock=lambda: made[0].seconds,
        )
        made.append(
            Bench(world=world, known=known, obliging=obliging, asking=asking, inventories=inventories)
        )
        yield made[0]
        database.close()


async def test_where_the_policy_does_not_allow_it_it_is_refused(tmp_path: Path, unused_tcp_port: int) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.TENANT) as both:
        run = both.ask()
        await both.look()
        assert both.started == []
        with pytest.raises(NotGranted, match="refuses"):
            await both.perform(run)


async def test_who_has_nothing_of_the_providers_refuses_too(tmp_path: Path, unused_tcp_port: int) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER) as both:
        both.inventories.replace(Inventory(), expected=1, actor="anna")
        run = both.ask()
        await both.look()
        with pytest.raises(NotGranted, match="refuses"):
            await both.perform(run)


async def test_where_it_does_it_is_begun_once_and_its_half_tells_how_it_went(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER) as both:
        run = both.ask()
        for _ in range(3):
            await both.look()
        begun = (FailOver(tenant="acme", vms=ASK.vms), LAN.id, f"provider {NAME}", HALF)
        assert both.started == [begun]
        waiting = asyncio.create_task(both.perform(run))
        async with client_of(both.known.link()) as client:
            order = HalfOrder(epoch=1, open=Open(host="esx1", vms=ASK.vms))
            await client.ask(tenant_routes.ORDER_HALF, {"half": HALF}, body=order)
            await client.ask(
                tenant_routes.ORDER_HALF, {"half": HALF}, body=HalfOrder(epoch=1, word=Word.KEEP)
            )
        half = Halves(both.world.database).get("acme", HALF)
        assert half is not None
        assert half.run is not None
        assert not waiting.done()
        both.world.runs.end(half.run)
        assert (await waiting).detail == f"run {half.run}"


async def test_the_end_is_asked_for_likewise(tmp_path: Path, unused_tcp_port: int) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER, Starter.TENANT) as both:
        both.ask(structs.replace(ASK, end=True))
        await both.look()
    assert [each[0] for each in both.started] == [Undo(tenant="acme", vms=ASK.vms)]


async def test_a_run_that_ended_before_it_opened_its_half_is_not_waited_for(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER) as both:
        run = both.ask()
        await both.look()
        waiting = asyncio.create_task(both.perform(run))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        both.goes_on = False
        await both.look()
        with pytest.raises(NotGranted, match="refuses"):
            async with asyncio.timeout(5):
                await waiting


async def test_a_half_that_was_opened_is_not_refused_when_the_run_has_ended(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER) as both:
        both.ask()
        await both.look()
        async with client_of(both.known.link()) as client:
            order = HalfOrder(epoch=1, open=Open(host="esx1", vms=ASK.vms), word=Word.KEEP)
            await client.ask(tenant_routes.ORDER_HALF, {"half": HALF}, body=order)
        both.goes_on = False
        await both.look()
        half = Halves(both.world.database).get("acme", HALF)
        assert half is not None
        assert half.word is Word.KEEP


async def test_what_is_asked_for_no_more_is_not_begun(tmp_path: Path, unused_tcp_port: int) -> None:
    """A controller that was away has it from before."""
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER) as both:
        both.ask()
        await both.known.providers.resources(NAME)
        both.world.runs.end(ID, "failed")
        both.seconds += LOOK
        await both.obliging.look((), lambda: None)
    assert both.started == []


async def test_who_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path, unused_tcp_port: int) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER) as both:
        run = both.ask()
        waiting = asyncio.create_task(both.perform(run))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        both.world.clock.pass_(seconds=(PATIENCE + timedelta(seconds=1)).total_seconds())
        with pytest.raises(NotGranted, match="not heard"):
            await waiting


async def test_what_cannot_be_asked_for_is_refused_before(tmp_path: Path, unused_tcp_port: int) -> None:
    async with bench(tmp_path, unused_tcp_port, Starter.PROVIDER) as both:
        run = both.ask()
        assert [one.name for one in await both.asking.plan(run)] == [LAN.id]
        for wanted, words in (
            (structs.replace(ASK, vms=frozenset({"nobody"})), "nobody: no VM"),
            (structs.replace(ASK, tenant="zeta"), "no controller of zeta"),
        ):
            request = codec.encode(wanted).decode()
            with pytest.raises(ProblemError, match=words):
                await both.asking.plan(
                    Run(id="r2", tenant=wanted.tenant, host="", request=request, actor="otto", at=run.at)
                )
