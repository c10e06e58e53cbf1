"""A host compared with the inventory: what is asked of it, and what is said of its replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from causeway_controller.contract.hosts import Finding, Grade, HostReport, Topic, VmNic
from causeway_controller.contract.provider import Host
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.errors import SecretMissing
from causeway_controller.hypervisors.base import Cause, FoundVm, HypervisorError, Inspection
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_controller.inventory.modes import Partial
from causeway_controller.inventory.replicas import Told
from causeway_controller.store.inventories import Inventories, Stored
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.tenancies import Standing, Standings
from causeway_controller.workflows.host_checks import HostChecks
from causeway_wire.problem import ProblemError, ProblemType
from tests import stores
from tests.fakes.hypervisor import FakeHypervisor
from tests.provider_inventory import seed_example, with_
from tests.runs_bench import START

SEVENTH = ReplicaVm(host="esx1", vm_id="vm-7")


class InspectedHost(FakeHypervisor):
    """Answers what a test says."""

    def __init__(self) -> None:
        super().__init__({})
        self.needs: HostNeeds | None = None
        self.inspection = Inspection(clock=START)
        self.found: list[FoundVm] = []
        self.failing: Exception | None = None
        self.silent = False
        self.listed = 0

    async def inspect(self, needs: HostNeeds) -> Inspection:
        if self.silent:
            await asyncio.Event().wait()
        if self.failing is not None:
            raise self.failing
        self.needs = needs
        return self.inspection

    async def vms(self) -> Sequence[FoundVm]:
        self.listed += 1
        return self.found


class World:
    def __init__(self, place: Path) -> None:
        self.database = stores.made(place / "causeway.db")
        self.inventories = inventories = Inventories(self.database, now=lambda: START)
        inventories.replace(seed_example(), expected=0, actor="test")
        self.standings = Standings(self.database)
        self.told = Replicas(self.database)
        self.host = InspectedHost()
        self.replicas = {
            vm.name: vm.replica.vm_id
            for tenant in inventories.load().inventory.tenants
            if tenant.id == "acme"
            for vm in tenant.vms
            if vm.replica and vm.replica.host == "esx1"
        }
        self.host.found = [
            FoundVm(id=one, name=f"{vm}-r", powered_on=False) for vm, one in self.replicas.items()
        ]
        self.opening: Exception | None = None
        self.checks = HostChecks(
            inventories=inventories,
            standings=self.standings,
            hosts=self.open,
            told=self.told,
            refused=tuple,
            now=lambda: START,
            seconds=0.5,
        )

    async def open(self, host: Host) -> InspectedHost:
        assert host.id in {"esx1", "esx2"}
        if self.opening is not None:
            raise self.opening
        return self.host


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.database.close()


async def looked(
    world: World,
    vm: str,
    said: str | None,
    *,
    there: ReplicaVm = SEVENTH,
    staff: bool = True,
) -> None:
    """Whether this may be the VM's replica; else what is said of it."""
    found = await world.checks.misfits(there.host, {vm: there}, tenant="acme", staff=staff)
    if said is None:
        assert found == {}
    else:
        assert (said in found[vm].detail, found[vm].pointer) == (True, "/vm_id")


def about(report: HostReport, topic: Topic) -> list[Finding]:
    return [one for one in report.findings if one.topic is topic]


async def test_the_host_is_asked_for_what_the_inventory_needs_there(world: World) -> None:
    report = await world.checks.check("esx1")
    assert report.ready
    needs = world.host.needs
    assert needs is not None
    assert "acme-esx1" in needs.appliances
    assert needs.networks
    assert {pool.pool for pool in needs.pools}
    assert {one.vm_id for one in needs.replicas if one.tenant == "acme"} == set(world.replicas.values())
    assert needs.vlans
    assert all(switch and 1 <= vlan <= 4094 for switch, vlan in needs.vlans)


@pytest.mark.parametrize(
    ("vm", "said"),
    [
        (FoundVm(id="vm-7", name="db1", powered_on=False), None),
        (FoundVm(id="uuid", name="db1", powered_on=False, other_ids=("vm-7",)), None),
        (FoundVm(id="vm-8", name="db1", powered_on=False), "has no VM vm-7"),
        (FoundVm(id="vm-7", name="db1", powered_on=True), "db1 is powered on"),
        (FoundVm(id="vm-7", name="a1", powered_on=False, owner_id="acme-esx1"), "a1 is an appliance"),
    ],
)
async def test_what_stands_in_for_a_vm_is_there_off_and_nobody_elses(
    world: World, vm: FoundVm, said: str | None
) -> None:
    world.host.found = [vm]
    await looked(world, "db1", said)


@pytest.mark.parametrize("staff", [True, False])
async def test_who_replicates_names_no_machine_in_the_providers_own_networks(
    world: World, *, staff: bool
) -> None:
    nics = (VmNic(mac="02:00:00:00:00:07", network="network-3"),)
    world.host.found = [FoundVm(id="vm-7", name="vcenter", powered_on=False, nics=nics)]
    said = None if staff else "in no network of the provider's own machines"
    await looked(world, "db1", said, staff=staff)


@pytest.mark.parametrize(("mac", "whose"), [("52:54:00:00:00:01", "db1"), ("52:54:00:00:00:02", "web1")])
async def test_a_vm_with_the_mac_address_of_another_one_is_its_replica(
    world: World, mac: str, whose: str
) -> None:
    stored = world.inventories.load()
    tenant = stored.inventory.tenants[0]
    macs = {"db1": "52:54:00:00:00:01", "web1": "52:54:00:00:00:02"}
    vms = tuple(with_(one, macs=(macs[one.name],) if one.name in macs else ()) for one in tenant.vms)
    changed = with_(stored.inventory, tenants=(with_(tenant, vms=vms), *stored.inventory.tenants[1:]))
    world.inventories.replace(changed, expected=stored.revision, actor="test")
    nic = VmNic(mac=mac.upper(), network="dvportgroup-9")
    world.host.found = [FoundVm(id="vm-7", name="x", powered_on=False, nics=(nic,))]
    for vm in ("db1", "web1"):
        await looked(world, vm, None if vm == whose else f"MAC address of another VM than {vm}")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([FoundVm(id="vm-7", name="db1", powered_on=True)], None),
        ([FoundVm(id="vm-1", name="x", powered_on=True)], "has no VM vm-7"),
        ([FoundVm(id="vm-7", name="a1", powered_on=True, owner_id="acme-esx1")], "a1 is an appliance"),
        (
            [
                FoundVm(id="vm-7", name="db1", powered_on=True),
                FoundVm(id="uuid", name="db1", powered_on=True, other_ids=("vm-db1",)),
            ],
            "still has",
        ),
    ],
)
async def test_a_replica_that_runs_has_another_id_only_where_that_of_before_is_gone(
    world: World, found: list[FoundVm], said: str | None
) -> None:
    world.host.found = found
    asked = world.checks.renamed("esx1", "vm-db1", "vm-7", tenant="acme", vm="db1")
    if said is None:
        await asked
        return
    with pytest.raises(ProblemError, match=said) as caught:
        await asked
    assert caught.value.problem.pointer == "/vm_id"


@pytest.mark.parametrize("host", ["esx1", "esx2"])
async def test_what_is_a_replica_by_another_of_its_ids_or_on_another_host_of_the_endpoint_is_no_other_ones(
    world: World, host: str
) -> None:
    stored = world.inventories.load()
    second = with_(stored.inventory.hosts[0], id="esx2")
    changed = with_(stored.inventory, hosts=(*stored.inventory.hosts, second))
    world.inventories.replace(changed, expected=stored.revision, actor="test")
    (known,) = (one for name, one in world.replicas.items() if name == "web1")
    world.host.found = [FoundVm(id="5012-ab", name="web1-r", powered_on=False, other_ids=(known,))]
    world.host.listed, there = 0, ReplicaVm(host=host, vm_id="5012-ab")
    await looked(world, "web1", None, there=there)
    await looked(world, "db1", "is another VM's replica", there=there)
    both = {vm: ReplicaVm(host=host, vm_id=known) for vm in ("web1", "db1")}
    assert set(await world.checks.misfits(host, both, tenant="acme", staff=True)) == {"web1", "db1"}
    assert world.host.listed == 3, "once for all of them"


async def test_a_problem_makes_it_not_ready_and_a_warning_does_not(world: World) -> None:
    warned = Finding(topic=Topic.TRAPS, grade=Grade.WARNING, text="slow")
    world.host.inspection = Inspection(findings=(warned,), clock=START)
    assert (await world.checks.check("esx1")).ready
    broken = Finding(topic=Topic.STORAGE, grade=Grade.PROBLEM, text="full")
    world.host.inspection = Inspection(findings=(warned, broken), clock=START)
    report = await world.checks.check("esx1")
    assert not report.ready
    assert broken in report.findings


async def test_the_inventory_is_read_once_however_many_hosts_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, load = [], world.inventories.load

    def loaded() -> Stored:
        read.append(1)
        return load()

    monkeypatch.setattr(world.inventories, "load", loaded)
    assert len((await world.checks.lint()).hosts) == 1
    assert len(read) == 1


@pytest.mark.parametrize(
    ("apart", "grade"), [(1, Grade.GOOD), (30, Grade.WARNING), (3600, Grade.PROBLEM), (-3600, Grade.PROBLEM)]
)
async def test_clocks_are_compared(world: World, apart: int, grade: Grade) -> None:
    world.host.inspection = Inspection(clock=START + timedelta(seconds=apart))
    (found,) = about(await world.checks.check("esx1"), Topic.TIME)
    assert found.grade is grade


async def test_a_host_that_does_not_tell_its_time_is_not_guessed_at(world: World) -> None:
    world.host.inspection = Inspection()
    (found,) = about(await world.checks.check("esx1"), Topic.TIME)
    assert (found.grade, "timedatectl" in found.advice) == (Grade.UNKNOWN, True)


@pytest.mark.parametrize(
    ("cause", "topic", "advice"),
    [
        (Cause.UNREACHED, Topic.REACHED, "firewall"),
        (Cause.SLOW, Topic.REACHED, "its load"),
        (Cause.IDENTITY, Topic.IDENTITY, "who answers there"),
        (Cause.LOGIN, Topic.IDENTITY, "causeway vault put"),
        (Cause.RIGHTS, Topic.RIGHTS, "the role of the how-to"),
        (Cause.REFUSED, Topic.REACHED, "do what it says"),
        (Cause.UNKNOWN, Topic.REACHED, "firewall"),
    ],
)
async def test_advice_fits_the_cause(world: World, cause: Cause, topic: Topic, advice: str) -> None:
    world.host.failing = HypervisorError("host esx1: no", cause=cause)
    (found,) = (await world.checks.check("esx1")).findings
    assert (found.topic, advice in found.advice) == (topic, True)
    assert ("firewall" in found.advice) == (cause in {Cause.UNREACHED, Cause.UNKNOWN})


async def test_a_host_that_cannot_be_asked_is_a_finding(world: World) -> None:
    world.host.failing = HypervisorError("host esx1 cannot be reached")
    report = await world.checks.check("esx1")
    assert [one.text for one in report.findings] == ["host esx1 cannot be reached"]
    assert not report.ready
    world.host.silent = True
    (found,) = (await world.checks.check("esx1")).findings
    assert "did not answer everything within" in found.text


async def test_a_login_without_a_secret_is_a_finding(world: World) -> None:
    world.opening = SecretMissing("esx1")
    (found,) = (await world.checks.check("esx1")).findings
    assert (found.topic, found.grade) == (Topic.IDENTITY, Grade.PROBLEM)


async def test_a_host_of_nobody_is_not_found(world: World) -> None:
    with pytest.raises(ProblemError, match="the inventory has no host esx9; it has esx1") as refused:
        await world.checks.check("esx9")
    assert refused.value.problem.type == ProblemType.NOT_FOUND.urn


async def test_a_replica_that_is_gone_or_has_another_id_is_a_problem(world: World) -> None:
    world.host.found = [one for one in world.host.found if one.id != world.replicas["db1"]]
    (gone, *_) = about(await world.checks.check("esx1"), Topic.REPLICAS)
    assert gone.grade is Grade.PROBLEM
    assert gone.text.startswith("the replica of acme/db1 is gone")
    world.host.found.append(FoundVm(id="vm-999", name="db1", powered_on=False))
    (renumbered, *_) = about(await world.checks.check("esx1"), Topic.REPLICAS)
    assert renumbered.advice == "if it is the same VM, enter vm_id vm-999"


async def test_a_replica_that_runs_beside_production_is_warned_of(world: World) -> None:
    world.host.found = [
        FoundVm(id=one.id, name=one.name, powered_on=one.id == world.replicas["db1"])
        for one in world.host.found
    ]
    (found, *_) = about(await world.checks.check("esx1"), Topic.REPLICAS)
    assert (found.grade, "is powered on, and db1 is not failed over" in found.text) == (Grade.WARNING, True)
    world.standings.put("acme", "esx1", Standing(mode=Partial(frozenset({"db1"}))))
    assert {one.grade for one in about(await world.checks.check("esx1"), Topic.REPLICAS)} == {Grade.GOOD}


def of_db1(world: World, *, on: bool, addresses: tuple[str, ...] = ()) -> None:
    """The host has the replica of db1 so, and the others as they should be."""
    world.host.found = [
        replace(one, powered_on=on, addresses=addresses) if one.id == world.replicas["db1"] else one
        for one in world.host.found
    ]


async def test_a_replica_that_runs_with_other_addresses_than_those_that_failed_over(world: World) -> None:
    """By DHCP, or with another adapter: else the failover would be successful and the VM unreachable."""
    world.standings.put("acme", "esx1", Standing(mode=Partial(frozenset({"db1"}))))
    of_db1(world, on=True, addresses=("169.254.3.4", "fe80::1"))
    (found, _) = about(await world.checks.check("esx1"), Topic.REPLICAS)
    assert found.grade is Grade.PROBLEM
    assert found.text.endswith("runs with 169.254.3.4, fe80::1 and without 192.168.10.12")
    assert "static" in found.advice
    there: tuple[str, ...]
    for there in (("192.168.10.12", "fe80::1"), ()):  # as it should be; nobody tells
        of_db1(world, on=True, addresses=there)
        assert {one.grade for one in about(await world.checks.check("esx1"), Topic.REPLICAS)} == {Grade.GOOD}


async def test_lint_finds_what_is_gone_renumbered_on_or_stale_and_nothing_else(world: World) -> None:
    report = await world.checks.lint()
    (clean,), fills = report.hosts, report.fills
    assert fills == ()
    assert [(one.topic, one.grade) for one in clean.findings] == [(Topic.REPLICAS, Grade.GOOD)]
    told = Told(
        host="esx1",
        vm_id=world.replicas["web1"],
        restored_to=START - timedelta(days=2),
        addresses=(ip_address("192.168.10.99"),),
        at=START,
        by="robot",
    )
    world.told.keep("acme", {"web1": told})
    of_db1(world, on=True)
    (found,) = (await world.checks.lint()).hosts
    wrong = [one for one in found.findings if one.grade is Grade.WARNING]
    assert wrong[0].text.startswith("the replica of acme/web1: its last restore point is 2 d old")
    assert wrong[1].text.startswith("the replica of acme/web1: web1 was renumbered")
    assert "is powered on" in wrong[2].text
    assert all(one.advice for one in wrong)
    world.host.found = []
    (found,) = (await world.checks.lint()).hosts
    assert sum("is gone" in one.text and one.grade is Grade.PROBLEM for one in found.findings) == 2
    world.opening = HypervisorError("host esx1 cannot be reached", cause=Cause.UNREACHED)
    (found,) = (await world.checks.lint()).hosts
    assert [one.topic for one in found.findings] == [Topic.REACHED]


async def test_vms_are_told_with_what_they_are_to_the_inventory(world: World) -> None:
    nics = (VmNic(mac="02:00:00:00:00:07", network="n"),)
    world.host.found = [
        FoundVm(id="7", name="b", powered_on=True, nics=nics, owner_id="acme-esx1"),
        FoundVm(id=world.replicas["db1"], name="a", powered_on=False),
        FoundVm(id="9", name="c", powered_on=False),
    ]
    told = (await world.checks.vms("esx1")).vms
    assert [one.known_as for one in told] == ["replica acme/db1", "appliance acme-esx1", ""]
    assert told[1].nics == nics


async def test_lint_finds_what_fills_up_in_the_inventory_in_force(world: World) -> None:
    stored = world.inventories.load()
    tight = tuple(with_(one, last=one.first + 2) for one in stored.inventory.vlan_pools)
    changed = with_(stored.inventory, vlan_pools=tight)
    world.inventories.replace(changed, expected=stored.revision, actor="test")
    assert [one.pointer for one in (await world.checks.lint()).fills] == ["/vlan_pools/0"]
