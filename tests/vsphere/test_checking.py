"""A simulated vCenter looked at, its port groups, and who it takes us for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import UNSET
from pyVim.task import WaitForTask
from pyVmomi import vim

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.hypervisors.base import HypervisorError, NicSpec, unwatched
from causeway_controller.hypervisors.vsphere import rights
from causeway_controller.inventory.host_needs import BridgeNeed, HostNeeds, PoolNeed, TrunkNeed
from tests import vcenter
from tests.conformance import kinds
from tests.conformance.kinds import MACS, OWNER, VsphereKind
from tests.vcenter import Centre

pytestmark = [pytest.mark.vsphere, pytest.mark.timeout(120)]


@pytest_asyncio.fixture
async def host(centre: Centre, ova: Path) -> AsyncIterator[VsphereKind]:
    async with kinds.vsphere(centre, ova) as kind:
        yield kind


def switch(host: VsphereKind) -> str:
    return host.centre.id(vim.DistributedVirtualSwitch, "DVS0")


async def look(host: VsphereKind, needs: HostNeeds) -> dict[Topic, list[Finding]]:
    before = host.there()
    found: dict[Topic, list[Finding]] = {}
    for one in (await host.direct().inspect(needs)).findings:
        found.setdefault(one.topic, []).append(one)
    assert host.there() == before
    return found


def problems(found: dict[Topic, list[Finding]]) -> list[str]:
    return [one.text for each in found.values() for one in each if one.grade is Grade.PROBLEM]


async def test_vms_are_listed_with_the_addresses_that_their_guests_say(host: VsphereKind) -> None:
    machine = host.centre.vms()[0]
    name = machine.config.instanceUuid
    spoken = vim.option.OptionValue(key="SET.guest.ipAddress", value="192.168.10.12")
    WaitForTask(machine.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[spoken])))
    (found,) = (one for one in await host.direct().vms() if one.id == name)
    assert found.addresses == ("192.168.10.12",)


async def test_a_host_with_everything_has_no_problem_and_tells_its_time(host: VsphereKind) -> None:
    needs = HostNeeds(
        networks=tuple(nic.segment for nic in host.spec.nics),
        pools=(
            PoolNeed(pool="internet", switch=switch(host), vlans=range(100, 110)),
            PoolNeed(pool="old", switch="vswitch:vSwitch0", vlans=range(7, 9)),
        ),
        appliances=(OWNER,),
    )
    found = await look(host, needs)
    assert problems(found) == []
    assert {Topic.IDENTITY, Topic.RIGHTS, Topic.STORAGE, Topic.NETWORKS} <= set(found)
    assert "enough for 1 more appliances" in found[Topic.STORAGE][0].text
    clock = (await host.direct().inspect(needs)).clock
    assert clock is not None
    assert clock.tzinfo is not None


async def test_what_is_not_there_is_said_with_what_there_is(host: VsphereKind) -> None:
    needs = HostNeeds(
        networks=("network-999",),
        pools=(
            PoolNeed(pool="a", switch="dvs-999", vlans=range(1, 2)),
            PoolNeed(pool="b", switch="vswitch:none", vlans=range(1, 2)),
        ),
        trunks=(TrunkNeed(tenant="acme", switch="vswitch:vSwitch0", vlans=(7, 8)),),
        bridged=("acme",),
    )
    found = await look(host, needs)
    said = problems(found)
    assert said[0].startswith("there is no network network-999; there is ")
    assert "(DC0_DVPG0)" in said[0]
    assert said[1].startswith("there is no distributed switch dvs-999; there is dvs-")
    assert "has no switch none; there is vSwitch0" in said[2]
    assert said[3] == "the appliance of acme has a trunk, and vswitch:vSwitch0 passes one VLAN or all of them"
    told = {one.grade for one in found[Topic.TRAPS] if "Net.ReversePathFwdCheckPromisc" in one.text}
    assert told == {Grade.UNKNOWN}  # the simulator does not know it
    assert any("accept forged transmits" in one.advice for one in found[Topic.TRAPS])


async def test_a_standard_switch_that_stops_a_bridge_is_told(host: VsphereKind) -> None:
    """By the port group where there is one, else by the switch, which the next one takes it from."""
    where = "vswitch:vSwitch0"
    moid = await host.direct().segment(where, 7)
    needs = HostNeeds(bridged=("acme",), bridged_vlans=((where, 0), (where, 7), (where, 8)))
    try:
        found = await look(host, needs)
    finally:
        await host.direct().sweep("nobody", (moid,))
    said = [one for one in problems(found) if "extended by a bridge" in one]
    assert any("VLAN 0 of" in one and "port group VM Network of ESXi host" in one for one in said)
    assert all("promiscuous mode" in one for one in said)
    # The simulator works out no policy of a port group that was added, and has none of a switch.
    told = {one.text.partition(", and ")[2] for one in found[Topic.TRAPS] if one.grade is Grade.UNKNOWN}
    assert any(one.startswith("port group causeway-vSwitch0-vlan-7 of ESXi host") for one in told)
    assert any(one.startswith("switch vSwitch0 of ESXi host") for one in told)


async def test_a_port_group_of_production_that_stops_a_bridge_is_told(host: VsphereKind) -> None:
    """A tenant's own appliance is plugged into one by its id."""
    moid = host.centre.id(vim.Network, "VM Network")
    needs = HostNeeds(bridged=("acme",), bridges=(BridgeNeed(network=moid, mac="02:00:00:00:00:01"),))
    said = [one for one in problems(await look(host, needs)) if "extended by a bridge" in one]
    assert said
    assert all("port group VM Network of ESXi host" in one and "promiscuous mode" in one for one in said)


async def test_a_distributed_port_group_that_stops_a_bridge_is_told_until_it_is_changed(
    host: VsphereKind,
) -> None:
    where = switch(host)
    moid = await host.direct().segment(where, 7)
    needs = HostNeeds(bridged=("acme",), bridged_vlans=((where, 7),))
    try:
        assert _graded(await look(host, needs)) == {Grade.UNKNOWN}
        allow(host, moid, forged=False, promiscuous=True)
        (said,) = (one for one in problems(await look(host, needs)) if "extended by a bridge" in one)
        assert said.endswith("refuses forged transmits")
        allow(host, moid, forged=True, promiscuous=False)
        (said,) = (one for one in problems(await look(host, needs)) if "extended by a bridge" in one)
        assert said.endswith("refuses MAC learning")
        allow(host, moid, forged=True, promiscuous=True)
        assert _graded(await look(host, needs)) == {Grade.GOOD}
        named = HostNeeds(bridged=("acme",), bridges=(BridgeNeed(network=moid, mac="02:00:00:00:00:01"),))
        assert _graded(await look(host, named)) == {Grade.GOOD}
        allow(host, moid, forged=True, promiscuous=False)
        (said,) = (one for one in problems(await look(host, named)) if "extended by a bridge" in one)
        assert said.endswith("refuses MAC learning"), "a tenant's own appliance, whose port group is named"
    finally:
        await host.direct().sweep("nobody", (moid,))


def _graded(found: dict[Topic, list[Finding]]) -> set[Grade]:
    return {one.grade for one in found[Topic.TRAPS] if "extended by a bridge" in one.text}


def allow(host: VsphereKind, moid: str, *, forged: bool, promiscuous: bool) -> None:
    """Have the port group accept so much."""
    (group,) = (one for one in host.centre.datacenter.network if one._moId == moid)
    security = vim.dvs.VmwareDistributedVirtualSwitch.SecurityPolicy(
        inherited=False,
        forgedTransmits=vim.BoolPolicy(inherited=False, value=forged),
        allowPromiscuous=vim.BoolPolicy(inherited=False, value=promiscuous),
    )
    config = group.config.defaultPortConfig
    config.securityPolicy = security
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        configVersion=group.config.configVersion, defaultPortConfig=config
    )
    WaitForTask(group.ReconfigureDVPortgroup_Task(spec))


async def test_a_host_in_maintenance_and_none_that_runs_vms(host: VsphereKind) -> None:
    hosts = host.centre.named(vim.ComputeResource, "DC0_C0").host
    WaitForTask(hosts[0].EnterMaintenanceMode_Task(0))
    found = await look(host, HostNeeds())
    assert [one.grade for one in found[Topic.TRAPS]] == [Grade.WARNING]
    for one in hosts[1:]:
        WaitForTask(one.EnterMaintenanceMode_Task(0))
    assert any("can run VMs" in one for one in problems(await look(host, HostNeeds())))


def test_every_privilege_that_is_asked_for_is_one(centre: Centre) -> None:
    """As ESXi lists those of its role of administrators, and a vCenter those of switches."""
    roles = centre.service.content.authorizationManager.roleList
    known = {privilege for role in roles for privilege in role.privilege}
    assert set(rights.ALL) - known == set()


async def test_a_vlan_has_one_port_group_whoever_asks_and_how_often(host: VsphereKind) -> None:
    made = await host.direct().segment(switch(host), 101)
    assert await host.direct().segment(switch(host), 101) == made
    group = host.centre.named(vim.Network, f"causeway-{switch(host)}-vlan-101")
    assert group._GetMoId() == made
    assert (group.config.type, group.config.defaultPortConfig.vlan.vlanId) == ("earlyBinding", 101)
    trunk = await host.direct().trunk(switch(host), (101, 103))
    ranges = host.centre.named(
        vim.Network, f"causeway-{switch(host)}-trunk-101-103"
    ).config.defaultPortConfig.vlan.vlanId
    assert trunk != made
    assert [(one.start, one.end) for one in ranges] == [(101, 101), (103, 103)]
    with pytest.raises(HypervisorError, match="port groups of one VLAN or of all"):
        await host.direct().trunk("vswitch:vSwitch0", (7, 8))


async def test_a_port_group_of_the_administrators_is_taken_and_never_removed(host: VsphereKind) -> None:
    config = vim.dvs.VmwareDistributedVirtualSwitch
    vlan = config.VmwarePortConfigPolicy(vlan=config.VlanIdSpec(vlanId=102, inherited=False))
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name="theirs", type="earlyBinding", numPorts=8, defaultPortConfig=vlan
    )
    WaitForTask(host.centre.named(vim.DistributedVirtualSwitch, "DVS0").AddDVPortgroup_Task([spec]))
    theirs = await host.direct().segment(switch(host), 102)
    assert theirs == host.centre.id(vim.Network, "theirs")
    ours = await host.direct().segment(switch(host), 103)
    nics = tuple(NicSpec(mac=mac, segment=one) for mac, one in zip(MACS, (theirs, ours), strict=True))
    await host.direct().deploy(replace(host.spec, nics=nics), unwatched)
    await host.direct().destroy(OWNER)
    left = {one.name for one in host.centre.datacenter.network}
    assert "theirs" in left
    assert f"causeway-{switch(host)}-vlan-103" not in left


async def test_an_ephemeral_port_group_is_refused(host: VsphereKind) -> None:
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(name="fleeting", type="ephemeral", numPorts=0)
    WaitForTask(host.centre.named(vim.DistributedVirtualSwitch, "DVS0").AddDVPortgroup_Task([spec]))
    nics = (NicSpec(mac=MACS[0], segment=host.centre.id(vim.Network, "fleeting")),)
    (said,) = await host.direct().preflight(replace(host.spec, nics=nics))
    assert "is ephemeral" in said


async def test_a_server_with_another_key_is_told_nothing(
    host: VsphereKind, program: Path, tmp_path: Path
) -> None:
    """The first time, and when the server is exchanged behind a login that was good."""
    with pytest.raises(HypervisorError, match="another key is shown than the pinned one"):
        await host.at(host.centre.port, pin="0" * 64).find(OWNER)
    provider = host.provider()
    assert await provider.find(OWNER) is None
    with vcenter.running(program, tmp_path) as other:
        host.proxy.server = (other.host, other.port)
        host.proxy.cut()
        with pytest.raises(HypervisorError, match="another key is shown than the pinned one"):
            await provider.find(OWNER)
        assert len(other.service.content.sessionManager.sessionList) == 1  # our own


async def test_an_authority_that_nobody_knows_is_refused_without_a_pin(host: VsphereKind) -> None:
    with pytest.raises(HypervisorError, match="certificate verify failed"):
        await host.at(host.centre.port, pin=UNSET).find(OWNER)
