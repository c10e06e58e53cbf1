"""What is done to an appliance on request: refused with nothing touched, or done, and repeatable."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.contract.certificates import Bearer
from causeway_controller.hypervisors.base import HypervisorError, Provider
from causeway_controller.inventory import certificates, modes
from causeway_controller.inventory.certificates import Subject
from causeway_controller.inventory.health import NOBODY
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store import authorities
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run
from causeway_controller.store.tenancies import Standing
from causeway_controller.trust import pki
from causeway_controller.workflows.life import Life
from causeway_controller.workflows.provisioning import Under
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, NetworkId, TenantId
from tests.fakes.hypervisor import FakeHypervisor
from tests.provider_inventory import two_hosts
from tests.watched import HOST, ME, TENANT, Watched, watched


class NoDeployment:
    """Deploys nothing, and says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None = None, in_place: bool = False
    ) -> None:
        self.asked.append("check")

    async def ensure(
        self,
        tenant: TenantId,
        host: Name,
        *,
        under: Under | None = None,
        overrule: bool = False,
        in_place: bool = False,
    ) -> ApplianceId:
        place = " in place" if in_place else ""
        self.asked.append("ensure" if under is None else f"ensure under {under.run}{place}")
        return ME

    async def conform(self, tenant: TenantId, host: Name) -> None:
        self.asked.append("conform")


class World:
    """A deployed appliance, and who acts on it."""

    def __init__(self, one: Watched) -> None:
        self.one = one
        self.host = FakeHypervisor({ME: True})
        self.deployment = NoDeployment()
        self.tokens: list[str] = []
        self.order: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None
        """Happens while a host is asked."""
        self.asked_for_it: Callable[[], object] = lambda: None
        """Happens when it is asked whether we are in charge."""
        self.life = Life(
            provisioning=self.deployment,
            renewal=one.renewal,
            appliances=one.appliances,
            ledger=one.ledger,
            runs=one.runs,
            inventories=Inventories(one.database, now=one.time),
            tenancies=self,
            standings=one.standings,
            hosts=self._host,
            forget=one.pool.forget,
            forget_token=self._drop,
            refresh=one.refresh,
            ends=self,
        )
        self.unwritable = False
        """Whether no document can be written, as for a site whose provider was left."""
        self.discarded: list[tuple[ApplianceId, NetworkId]] = []

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        if self.unwritable:
            raise ProblemError(problem(ProblemType.UNSUPPORTED, "the provider has not told yet"))
        return await self.one.load(tenant, host, plan)

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """No run ends here."""

    def discard(self, appliance: ApplianceId, network: NetworkId) -> None:
        self.discarded.append((appliance, network))

    async def _host(self, _tenant: TenantId, _host: Name) -> Provider:
        self.order.append("host")
        self.meanwhile()
        return self.host

    async def _drop(self, appliance: ApplianceId) -> None:
        self.tokens.append(appliance)

    async def retire(self) -> None:
        await self.remove()
        await self.life.forget(TENANT, HOST, actor="anna")

    async def remove(self, *, run: str = "") -> None:
        await self.life.remove(TENANT, HOST, run=run, in_charge=self._in_charge)

    def _in_charge(self) -> None:
        self.order.append("in charge")
        self.asked_for_it()

    @property
    def alive(self) -> int:
        """How many certificates of the appliance count."""
        return len(self.one.ledger.alive_of_agent(ME))


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with watched(tmp_path) as one:
        yield World(one)


async def test_what_is_retired_is_off_gone_revoked_and_forgotten(world: World) -> None:
    await world.retire()
    assert (world.host.on, world.alive, world.tokens) == ({}, 0, [ME])
    assert world.one.appliances.all() == ()
    await world.life.forget(TENANT, HOST, actor="anna")
    assert world.tokens == [ME], "who carries it on finds it done"
    with pytest.raises(ProblemError, match="is deployed on esx1"):
        await world.remove()


async def test_who_is_not_in_charge_any_more_touches_no_machine(world: World) -> None:
    """Asked for each effect: an orderly shutdown may take longer than a lease."""

    def die() -> None:
        if world.order.count("in charge") == 2:
            raise LookupError

    world.asked_for_it = die
    with pytest.raises(LookupError):
        await world.remove()
    assert world.host.on == {ME: False}


def server(network: str, *, appliance: ApplianceId | None = None) -> Subject:
    return certificates.of_server(
        TENANT, f"{network}-tunnel", f"acme-{network}-provider", appliance=appliance
    )


ENDS = (
    (server("lan", appliance=ME), True),
    (certificates.of_server(TENANT, "as-it-was", "acme-lan-provider", appliance=ME), True),
    (server("dmz", appliance="acme-esx2"), False),
    (certificates.of_server(TENANT, "of-old", "acme-gone-provider"), True),
    (certificates.of_server(TENANT, "of-old-2", "acme-dmz-provider"), False),
    (certificates.of_client(TENANT, "lan-tunnel", "acme-lan-tenant"), False),
    (certificates.of_server("zeta", "lan-tunnel", "zeta-lan-provider"), False),
)
"""Ends of tunnels, and whether their keys are on the appliance of the first host, or may be."""


def issue_ends(one: Watched) -> list[str]:
    for subject, _ in ENDS:
        name = authorities.vpn(subject.tenant or "")
        one.kept.establish(name, actor="test")
        usage = pki.Usage.CLIENT if subject.purpose is Bearer.CLIENT else pki.Usage.SERVER
        issuer = one.kept.issuer(name, subject, actor="test")
        issuer.issue(
            pki.make_key().public_key(), common_name=subject.name, usage=usage, names=(), now=one.now
        )
    return [last.serial for subject, _ in ENDS if (last := one.ledger.last(subject)) is not None]


@pytest.mark.parametrize("act", ["retire", "clear"])
async def test_an_appliance_that_is_thrown_away_with_its_keys_does_not_come_back(
    world: World, act: str
) -> None:
    """Not as the end of a tunnel either, whatever it was called, nor where nobody wrote down whose it is."""
    stored = Inventories(world.one.database, now=world.one.time)
    stored.replace(two_hosts(), expected=0, actor="anna")
    serials = issue_ends(world.one)
    if act == "retire":
        await world.retire()
    else:
        found = world.one.appliances.find(TENANT, HOST)
        assert found is not None
        await world.life.clear(found, actor="anna", reason="redeployed", revoke=True, unless=no)
    revoked = [world.one.ledger.get(serial).revoked is not None for serial in serials]
    assert revoked == [borne for _, borne in ENDS]
    assert world.alive == 0


async def no() -> bool:
    return False


@pytest.mark.parametrize("keep", [False, True])
async def test_the_provider_is_to_learn_that_a_tenants_appliance_was_thrown_away(
    world: World, *, keep: bool
) -> None:
    """Also when its network has left the inventory: nothing of it is looked up there."""
    found = world.one.appliances.find(TENANT, HOST)
    assert found is not None
    await world.life.clear(found, actor="anna", reason="redeployed", revoke=not keep, unless=no)
    assert world.discarded == ([] if keep else [(ME, HOST)])


async def test_what_keeps_its_certificates_keeps_those_of_its_tunnels(world: World) -> None:
    serials, found = issue_ends(world.one), world.one.appliances.find(TENANT, HOST)
    assert found is not None
    await world.life.clear(found, actor="anna", reason="redeployed", revoke=False, unless=no)
    assert all(world.one.ledger.get(serial).revoked is None for serial in serials)


async def test_one_that_was_retired_meanwhile_is_not_brought_back_by_a_renewal(world: World) -> None:
    await world.life.conform(TENANT, HOST)
    assert world.deployment.asked == ["conform"]
    await world.retire()
    with pytest.raises(ProblemError, match="is deployed on esx1"):
        await world.life.conform(TENANT, HOST)
    assert world.deployment.asked == ["conform"]


async def test_an_appliance_that_serves_a_failover_is_not_retired(world: World) -> None:
    world.one.standings.put(TENANT, HOST, Standing(mode=modes.Full(frozenset({"vm-0-0"}))))
    with pytest.raises(ProblemError, match="end that first"):
        await world.remove()
    assert (world.host.on, world.alive) == ({ME: True}, 1)


async def test_what_no_document_can_be_written_for_can_be_retired(world: World) -> None:
    """A gateway without a pool, and the appliances of a site that left its provider, stayed for good."""
    world.unwritable = True
    world.one.standings.put(TENANT, HOST, Standing(mode=modes.Full(frozenset({"vm-0-0"}))))
    with pytest.raises(ProblemError, match="end that first"):
        await world.remove()
    world.one.standings.put(TENANT, HOST, Standing())
    await world.retire()
    assert world.one.appliances.all() == ()


def begin_run(world: World) -> None:
    at = world.one.now
    world.one.runs.start(Run(id="r1", tenant=TENANT, host=HOST, request="{}", actor="anna", at=at))


async def test_while_another_run_is_open_nothing_is_removed(world: World) -> None:
    begin_run(world)
    with pytest.raises(ProblemError, match="r1"):
        await world.remove(run="r2")
    assert (world.host.on, world.alive) == ({ME: True}, 1)
    await world.remove(run="r1")
    assert world.host.on == {}


async def test_when_a_run_begins_while_the_host_is_asked_nothing_is_removed(world: World) -> None:
    world.meanwhile = functools.partial(begin_run, world)
    with pytest.raises(ProblemError, match="r1"):
        await world.remove()
    assert (world.host.on, world.alive) == ({ME: True}, 1)


async def test_a_retirement_that_failed_half_way_goes_on_when_it_is_repeated(world: World) -> None:
    world.host.broken.add(ME)
    with pytest.raises(HypervisorError):
        await world.remove()
    assert world.one.appliances.find(TENANT, HOST) is not None, "it is forgotten last"
    world.host.broken.clear()
    await world.retire()
    assert (world.host.on, world.one.appliances.all()) == ({}, ())


async def test_what_is_not_deployed_is_called_by_its_name(world: World) -> None:
    with pytest.raises(ProblemError, match="no appliance of bolt is deployed on esx9; see"):
        await world.life.deployed("bolt", "esx9")
    with pytest.raises(ProblemError, match="no gateway gw9 is deployed; see"):
        await world.life.deployed(NOBODY, "gw9")


async def test_whether_its_host_is_known_is_found_out_without_asking_it(world: World) -> None:
    world.host.broken.add(ME)
    await world.life.check_host(TENANT, HOST)
    assert world.order == ["host"]


async def test_what_is_said_to_be_gone_is_not_asked_for(world: World) -> None:
    world.host.broken.add(ME)
    await world.life.forget(TENANT, HOST, actor="anna")
    assert (world.alive, world.one.appliances.all()) == (0, ())


async def test_what_was_before_a_rotation_is_revoked_on_request_only(world: World) -> None:
    await world.one.round()
    await world.life.rotate(TENANT, HOST, revoke=False, actor="anna")
    assert world.alive == 2
    await world.life.rotate(TENANT, HOST, revoke=True, actor="anna")
    assert world.alive == 1
    found = await world.one.round()
    assert found.shown is not None
    assert (found.shown.serial,) == world.one.ledger.alive_of_agent(ME)


@pytest.mark.parametrize(("revoke", "alive"), [(True, 0), (False, 1)])
async def test_what_is_cleared_is_gone_and_revoked_unless_kept_and_still_to_be_there(
    world: World, *, revoke: bool, alive: int
) -> None:
    one = await world.life.deployed(TENANT, HOST)
    before, answering = (dict(world.host.on), world.alive), [True, False, False]

    async def answers() -> bool:
        return answering.pop(0)

    clear = functools.partial(
        world.life.clear, one, actor="ctl1", reason="rebuilt", revoke=revoke, unless=answers
    )
    assert not await clear()
    assert (world.host.on, world.alive) == before
    assert await clear()
    assert (world.host.on, world.alive, world.tokens) == ({}, alive, [ME])
    assert world.one.appliances.find(TENANT, HOST) is not None
    await clear()
    await world.life.bring(TENANT, HOST, under=Under(run="r1", epoch=2))
    assert world.deployment.asked == ["ensure under r1 in place"]


async def test_nothing_is_waited_for_between_the_last_look_and_the_machines_end(world: World) -> None:
    """Whoever was stopped in between would delete the machine that his successor has deployed since."""
    one = await world.life.deployed(TENANT, HOST)

    async def never() -> bool:
        world.order.append("looked")
        return False

    await world.life.clear(one, actor="ctl1", reason="redeployed", revoke=True, unless=never)
    assert world.order == ["host", "looked"]
