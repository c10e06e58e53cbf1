"""A simulated vCenter of which something is amiss: an ESXi host, a right, a port group, a login."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pyVim.task import WaitForTask
from pyVmomi import vim

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.inventory.host_needs import HostNeeds, PoolNeed, Replica
from tests import vcenter
from tests.conformance import kinds
from tests.conformance.kinds import OWNER, VsphereKind
from tests.vcenter import Centre

pytestmark = [pytest.mark.vsphere, pytest.mark.timeout(120)]

SWITCH = "vswitch:vSwitch0"


@pytest_asyncio.fixture
async def host(centre: Centre, ova: Path) -> AsyncIterator[VsphereKind]:
    async with kinds.vsphere(centre, ova) as kind:
        yield kind


@asynccontextmanager
async def amiss(program: Path, place: Path, ova: Path, *options: str) -> AsyncIterator[VsphereKind]:
    with vcenter.running(program, place, *options) as centre:
        async with kinds.vsphere(centre, ova) as kind:
            yield kind


async def graded(host: VsphereKind, needs: HostNeeds, grade: Grade) -> list[Finding]:
    return [one for one in (await host.direct().inspect(needs)).findings if one.grade is grade]


async def test_an_esxi_host_that_is_lost_holds_up_nobody_else(
    program: Path, tmp_path: Path, ova: Path
) -> None:
    async with amiss(program, tmp_path, ova, "-lost", "DC0_C0_H0") as host:
        had = host.there()
        provider = host.direct()
        made = await provider.segment(SWITCH, 7)
        assert await provider.segment(SWITCH, 7) == made
        spec = replace(host.spec, nics=tuple(replace(nic, segment=made) for nic in host.spec.nics))
        await provider.deploy(spec, unwatched)
        needs = HostNeeds(pools=(PoolNeed(pool="old", switch=SWITCH, vlans=range(7, 8)),))
        assert await graded(host, needs, Grade.PROBLEM) == []
        (warned,) = await graded(host, needs, Grade.WARNING)
        assert "DC0_C0_H0 is notResponding" in warned.text
        await provider.destroy(OWNER)
        assert host.there() == had


async def test_with_no_esxi_host_left_it_is_refused(
    host: VsphereKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causeway_controller.hypervisors.vsphere.place.Place.hosts", [])
    with pytest.raises(HypervisorError, match="no ESXi host of DC0_C0 can be asked for switch vSwitch0"):
        await host.direct().segment(SWITCH, 7)


async def test_a_right_that_a_replica_needs_is_named(program: Path, tmp_path: Path, ova: Path) -> None:
    lacking = "VirtualMachine.Interact.PowerOn"
    async with amiss(program, tmp_path, ova, "-deny", f"{lacking}@DC0_C0_RP0_VM1") as host:
        replicas = tuple(
            Replica(tenant="acme", vm=name, vm_id=vm_id, macs=())
            for name, vm_id in (
                ("web", host.centre.named(vim.VirtualMachine, "DC0_C0_RP0_VM0").config.instanceUuid),
                ("db", host.centre.named(vim.VirtualMachine, "DC0_C0_RP0_VM1").config.instanceUuid),
                ("old", host.centre.id(vim.VirtualMachine, "DC0_C0_RP0_VM1")),
                ("gone", "7c1f6c3e-5a0e-4a53-9b1c-0242ac120002"),
            )
        )
        (found,) = await graded(host, HostNeeds(replicas=replicas[:2]), Grade.PROBLEM)
        assert found.topic is Topic.RIGHTS
        assert found.text.startswith("this login lacks on 1 replicas, acme/db (")
        assert found.text.endswith(f"): {lacking}")
        assert len(await graded(host, HostNeeds(replicas=replicas[2:]), Grade.PROBLEM)) == 1
        assert await graded(host, HostNeeds(replicas=replicas[:1]), Grade.PROBLEM) == []


async def test_trunks_with_long_names_are_not_one(host: VsphereKind) -> None:
    switch = host.centre.id(vim.DistributedVirtualSwitch, "DVS0")
    vlans = tuple(range(1000, 1040))
    made = [await host.direct().trunk(switch, (*vlans, last)) for last in (2001, 2002)]
    again = [await host.direct().trunk(switch, (last, *reversed(vlans))) for last in (2001, 2002)]
    assert made == again
    assert len(set(made)) == 2
    names = [one.name for one in host.centre.datacenter.network if one._GetMoId() in made]
    assert [len(name) for name in names] == [80, 80]


async def test_a_port_group_that_was_given_other_vlans_joins_nobody(host: VsphereKind) -> None:
    switch = host.centre.id(vim.DistributedVirtualSwitch, "DVS0")
    await host.direct().segment(switch, 150)
    group = host.centre.named(vim.Network, f"causeway-{switch}-vlan-150")
    types = vim.dvs.VmwareDistributedVirtualSwitch
    vlan = types.VmwarePortConfigPolicy(vlan=types.VlanIdSpec(vlanId=151, inherited=False))
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        configVersion=group.config.configVersion, defaultPortConfig=vlan
    )
    WaitForTask(group.ReconfigureDVPortgroup_Task(spec))
    with pytest.raises(HypervisorError, match="is to pass VLAN 150 and no other, and was changed"):
        await host.direct().segment(switch, 150)


async def test_a_standard_port_group_of_our_name_on_another_vlan_joins_nobody(host: VsphereKind) -> None:
    esxi = host.centre.named(vim.ComputeResource, "DC0_C0").host[0]
    spec = vim.host.PortGroup.Specification(
        name="causeway-vSwitch0-vlan-9", vlanId=8, vswitchName="vSwitch0", policy=vim.host.NetworkPolicy()
    )
    esxi.configManager.networkSystem.AddPortGroup(spec)
    with pytest.raises(HypervisorError, match="is to be of VLAN 9 on vSwitch0, and is of another"):
        await host.direct().segment(SWITCH, 9)


async def test_logins_end_with_their_controller(host: VsphereKind) -> None:
    manager = host.centre.service.content.sessionManager
    before = len(manager.sessionList)
    providers = [host.direct() for _ in range(3)]
    await asyncio.gather(*(one.find(OWNER) for one in providers))
    assert len(manager.sessionList) == before + 3
    await asyncio.gather(*(one.close() for one in providers))
    assert len(manager.sessionList) == before
    assert await providers[0].find(OWNER) is None, "it logs in anew"
    await providers[0].close()
