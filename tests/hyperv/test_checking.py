"""A Hyper-V host looked at, who it takes us for, and what it is refused for before anything is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import UNSET

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.contract.provider import Storage, StorageKind
from causeway_controller.hypervisors.base import Cause, HypervisorError, NicSpec, unwatched
from causeway_controller.hypervisors.hyperv import vhdx
from causeway_controller.hypervisors.hyperv.opening import open_host
from causeway_controller.inventory.host_needs import BridgeNeed, HostNeeds, PoolNeed
from tests.conformance.kinds import MACS, OWNER, HypervKind
from tests.conformance.test_full import full
from tests.hyperv import host as counterpart
from tests.hyperv.host import SWITCHES
from tests.hyperv.things import OnOff

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

FIRST, SECOND = map(str, SWITCHES)
ABSENT = "aaaaaaaa-0000-4000-8000-000000000000"


async def look(kind: HypervKind, needs: HostNeeds) -> dict[Topic, list[Finding]]:
    before = kind.there()
    found: dict[Topic, list[Finding]] = {}
    for one in (await kind.direct().inspect(needs)).findings:
        found.setdefault(one.topic, []).append(one)
    assert kind.there() == before
    return found


def problems(found: dict[Topic, list[Finding]]) -> list[str]:
    return [one.text for each in found.values() for one in each if one.grade is Grade.PROBLEM]


async def test_a_host_with_everything_has_no_problem_and_tells_its_time(hyperv: HypervKind) -> None:
    needs = HostNeeds(
        networks=(FIRST, f"{SECOND}/7"),
        pools=(PoolNeed(pool="internet", switch=SECOND, vlans=range(100, 110)),),
        appliances=(OWNER,),
    )
    found = await look(hyperv, needs)
    assert problems(found) == []
    assert {Topic.IDENTITY, Topic.RIGHTS, Topic.STORAGE, Topic.NETWORKS} <= set(found)
    assert found[Topic.STORAGE][0].text.endswith(
        r"is reached as \\127.0.0.1\Hyper-V\Cloud_Connect_Replication"
    )
    assert "enough for 1 more appliances" in found[Topic.STORAGE][1].text
    clock = (await hyperv.direct().inspect(needs)).clock
    assert clock is not None
    assert clock.tzinfo is not None


async def test_what_is_not_there_is_said_with_what_there_is(hyperv: HypervKind) -> None:
    needs = HostNeeds(
        networks=(f"{ABSENT}/7",),
        pools=(PoolNeed(pool="a", switch=ABSENT, vlans=range(1, 2)),),
        bridged=("acme",),
    )
    found = await look(hyperv, needs)
    assert [text.partition(";")[0] for text in problems(found)] == [f"there is no switch {ABSENT}"] * 2
    assert f"{FIRST} (Production)" in problems(found)[0]
    assert "MacAddressSpoofing" in found[Topic.TRAPS][0].advice


async def test_a_vnic_of_a_bridge_that_sends_only_its_own_frames_is_a_problem_until_it_is_changed(
    hyperv: HypervKind,
) -> None:
    await hyperv.direct().deploy(hyperv.spec, unwatched)
    switch, _, vlan = hyperv.spec.nics[1].segment.partition("/")
    needs = HostNeeds(bridged=("acme",), bridged_vlans=((switch, int(vlan)),), appliances=(OWNER,))
    (said,) = problems(await look(hyperv, needs))
    assert f"of VM {OWNER} is in a network that is extended by a bridge" in said
    own = BridgeNeed(network=hyperv.spec.nics[1].segment, mac=hyperv.spec.nics[1].mac)
    assert problems(await look(hyperv, replace(needs, bridged_vlans=(), bridges=(own,)))) == [said]
    for vm in hyperv.host.windows.vms:
        for nic in vm.nics:
            nic.spoofing = OnOff.On
    assert problems(await look(hyperv, needs)) == []


async def test_switches_of_one_name_are_told_apart_before_anything_is_made(hyperv: HypervKind) -> None:
    hyperv.host.windows.switches[next(iter(SWITCHES))] = "Tenants"
    with pytest.raises(HypervisorError, match="several switches are called Tenants"):
        await hyperv.direct().deploy(hyperv.spec, unwatched)
    assert not (hyperv.host.windows.root / "Cloud_Connect_Replication").exists()


async def test_a_login_without_rights_is_told_so_and_takes_no_host_for_empty(hyperv: HypervKind) -> None:
    await hyperv.direct().deploy(hyperv.spec, unwatched)
    hyperv.host.windows.allowed = False
    with pytest.raises(HypervisorError, match="put them into Hyper-V Administrators"):
        await hyperv.direct().find(OWNER)
    hyperv.host.windows.allowed = True


async def test_the_deepest_share_is_taken_and_none_is_a_problem(hyperv: HypervKind) -> None:
    shares = hyperv.host.windows.shares
    had = [*shares]
    shares.insert(0, ("All", "D:\\", False))
    assert problems(await look(hyperv, HostNeeds())) == []
    shares[:] = [one for one in shares if one[0] == "ADMIN$"]
    (said,) = problems(await look(hyperv, HostNeeds()))
    assert said == (
        r"no share of the host has D:\Hyper-V in it; there is ADMIN$ (C:\Windows); share that folder"
    )
    with pytest.raises(HypervisorError, match="no share of the host"):
        await hyperv.direct().deploy(hyperv.spec, unwatched)
    shares[:] = had


async def test_a_folder_that_is_not_there_is_said(hyperv: HypervKind) -> None:
    elsewhere = Storage(id="D:\\Hyper-V\\elsewhere", kind=StorageKind.DIRECTORY)
    provider = hyperv.at(hyperv.host.port, hyperv.host.smb, storage=elsewhere)
    (said,) = await provider.preflight(hyperv.spec)
    assert said.endswith(r"\Hyper-V\elsewhere is not there")


async def test_room_for_the_disk_and_not_for_the_image_beside_it_is_a_warning(hyperv: HypervKind) -> None:
    with full(hyperv, vhdx.capacity(hyperv.image) + hyperv.image.stat().st_size // 2):
        found = await look(hyperv, HostNeeds(appliances=(OWNER,)))
        assert problems(found) == []
    (warned,) = (one for one in found[Topic.STORAGE] if one.grade is Grade.WARNING)
    assert "no room for the image beside those disks" in warned.text


async def test_a_disk_without_room_is_refused_before_anything_is_sent(
    hyperv: HypervKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causeway_controller.hypervisors.hyperv.vhdx.capacity", lambda _: 1 << 60)
    (said,) = await hyperv.direct().preflight(hyperv.spec)
    assert "make room, or name another directory" in said


async def test_a_segment_that_is_none_is_refused(hyperv: HypervKind) -> None:
    nics = (NicSpec(mac=MACS[0], segment="External"),)
    (said,) = await hyperv.direct().preflight(replace(hyperv.spec, nics=nics))
    assert "is no id of Hyper-V's" in said
    with pytest.raises(HypervisorError, match="Get-VMSwitch"):
        await hyperv.direct().segment("External", 7)


async def test_who_it_is_is_looked_at_each_time(hyperv: HypervKind, tmp_path: Path) -> None:
    """The first time, and when the server is exchanged behind a login that was good."""
    with pytest.raises(HypervisorError, match="another key is shown than the pinned one"):
        await hyperv.at(hyperv.host.port, hyperv.host.smb, pin="0" * 64).find(OWNER)
    with pytest.raises(HypervisorError, match="certificate verify failed"):
        await hyperv.at(hyperv.host.port, hyperv.host.smb, pin=UNSET).find(OWNER)
    provider = hyperv.provider()
    assert await provider.find(OWNER) is None
    place = tmp_path / "other"
    place.mkdir()
    async with counterpart.running(place, files=False) as other:
        hyperv.proxy.server = ("127.0.0.1", other.port)
        hyperv.proxy.cut()
        with pytest.raises(HypervisorError, match="another key is shown than the pinned one"):
            await provider.find(OWNER)
        assert other.remoting.logins == {}


async def test_a_wrong_password_is_told_and_not_repeated(hyperv: HypervKind) -> None:
    with pytest.raises(HypervisorError, match="refuses user or password") as refused:
        await hyperv.at(hyperv.host.port, hyperv.host.smb, password="hunter2").find(OWNER)
    assert "hunter2" not in str(refused.value)


async def test_a_controller_that_ends_logs_out_and_a_question_logs_in_anew(hyperv: HypervKind) -> None:
    provider = hyperv.direct()
    await provider.close()
    await provider.find(OWNER)
    assert len(hyperv.host.remoting.shells) == 1
    await provider.close()
    assert hyperv.host.remoting.shells == {}
    assert await provider.find(OWNER) is None


async def test_why_something_was_not_done_is_told(hyperv: HypervKind) -> None:
    """Each has another remedy."""
    port, smb = hyperv.host.port, hyperv.host.smb
    causes = {
        Cause.UNREACHED: hyperv.at(1, smb),
        Cause.IDENTITY: hyperv.at(port, smb, pin="0" * 64),
        Cause.LOGIN: hyperv.at(port, smb, password="hunter2"),
    }
    for cause, provider in causes.items():
        with pytest.raises(HypervisorError) as refused:
            await provider.find(OWNER)
        assert refused.value.cause is cause
    hyperv.host.windows.allowed = False
    with pytest.raises(HypervisorError) as refused:
        await hyperv.direct().find(OWNER)
    hyperv.host.windows.allowed = True
    assert refused.value.cause is Cause.RIGHTS


async def test_nobody_is_opened_without_a_login(hyperv: HypervKind) -> None:
    host = hyperv.direct()._host
    with pytest.raises(HypervisorError, match="name a `login`"):
        open_host(host, None, hyperv.image)
