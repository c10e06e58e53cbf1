"""What a provider asks for is begun in networks that it extends, where they let it, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnNetwork, Production
from causeway_controller.contract.requests import FailOver, Undo
from causeway_controller.contract.tenant import Starter
from causeway_controller.contract.tenant_view import AskedFailover, TenantResources
from causeway_controller.inventory import asked
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.links import Links
from causeway_controller.store.runs import Run
from causeway_controller.store.told import Told
from causeway_controller.workflows.obliging import Obliging
from tests import joining
from tests.provider_inventory import network

ASKED = AskedFailover(run="r-1", host="theirs", vms=("db1",), reason="its disk is dying")


def now() -> datetime:
    return datetime.now(UTC)


class World:
    """A tenant with two providers: the first may begin failovers of its network, the second may not."""

    def __init__(self, database: Database) -> None:
        self.begun: list[str] = []
        self.refused: list[tuple[str, str]] = []
        sealing = joining.unlocked(database, now=now)
        self.told = Told(database, sealing, now=now)
        lan, dmz = (
            OwnNetwork(id=one.id, prefixes=one.prefixes, gateways=one.gateways)
            for one in (network("lan", 10), network("dmz", 20))
        )
        lets = (Starter.PROVIDER,)
        production = (
            Production(id="north", tenant="acme", networks=(lan,), partial_failover_by=lets),
            Production(id="south", tenant="acme", networks=(dmz,)),
        )
        inventories = Inventories(database, now=now)
        inventories.replace(Inventory(production=production), expected=0, actor="anna")
        self.obliging = Obliging(
            inventories=inventories,
            told=self.told,
            resources=self.resources,
            links=Links(database, sealing, now=now),
            start=self.start,
            is_open=lambda _: True,
        )

    async def resources(self, provider: str) -> TenantResources:
        found = self.told.resources(provider)
        assert found is not None
        return found

    async def start(
        self, request: FailOver | Undo, *, host: str, actor: str, identifier: str | None = None
    ) -> Run:
        self.begun.append(host)
        return Run(id=identifier or "", tenant="acme", host=host, request="", actor=actor, at=now())

    async def refuse(self, provider: str, half: str) -> None:
        self.refused.append((provider, half))

    def asks(self, provider: str, *, network: str) -> None:
        """It says that the VM is in this network."""
        self.told.keep(provider, joining.resources(network=network, asked=(ASKED,)))


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(database)
    monkeypatch.setattr(made.obliging, "_refuse", made.refuse)
    return made


@pytest.mark.parametrize(
    ("provider", "network", "begun"),
    [("north", "lan", True), ("south", "dmz", False), ("north", "dmz", False), ("south", "lan", False)],
)
async def test_only_in_its_own_networks_where_they_let_it(
    world: World, provider: str, network: str, *, begun: bool
) -> None:
    world.asks(provider, network=network)
    await world.obliging.look((), lambda: None)
    half = asked.half(ASKED.run, network, end=False)
    assert world.begun == ([network] if begun else [])
    assert world.refused == ([] if begun else [(provider, half)])
