"""What is vSphere's alone, against a simulated vCenter and ESXi: what arrives, what is left alone."""

from __future__ import annotations

import gc
import tarfile
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pyVim.task import WaitForTask
from pyVmomi import vim

from causeway_controller.contract.provider import Storage
from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.vsphere import machines
from tests import vcenter
from tests.conformance import kinds
from tests.conformance.kinds import MACS, OWNER, VsphereKind
from tests.cutting_proxy import between
from tests.vcenter import Centre

pytestmark = [pytest.mark.vsphere, pytest.mark.timeout(120)]


@pytest_asyncio.fixture
async def host(centre: Centre, ova: Path) -> AsyncIterator[VsphereKind]:
    async with kinds.vsphere(centre, ova) as kind:
        yield kind


def machine(host: VsphereKind, name: str = OWNER) -> Any:
    return host.centre.named(vim.VirtualMachine, name)


def reconfigure(vm: Any, **spec: object) -> None:
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(**spec)))


async def test_the_disk_arrives_octet_by_octet_and_the_machine_is_as_described(host: VsphereKind) -> None:
    told: list[float] = []
    await host.direct().deploy(host.spec, lambda _, fraction: told.append(fraction))
    (kept,) = host.centre.uploads.iterdir()
    with tarfile.open(host.image) as archive:
        packed = archive.extractfile("noise-disk1.vmdk")
        assert packed is not None
        assert kept.read_bytes() == packed.read()
    vm = machine(host)
    assert (vm.parent.name, vm.resourcePool.name) == ("Cloud_Connect_Replication",) * 2
    assert vm.config.instanceUuid == machines.identity(OWNER)
    cards = [one for one in vm.config.hardware.device if isinstance(one, vim.vm.device.VirtualEthernetCard)]
    assert [(one.macAddress, one.addressType) for one in cards] == [(mac, "manual") for mac in MACS]
    assert all(isinstance(one, vim.vm.device.VirtualVmxnet3) for one in cards)
    (drive,) = (one for one in vm.config.hardware.device if isinstance(one, vim.vm.device.VirtualCdrom))
    by_key = {one.key: one for one in vm.config.hardware.device}
    assert isinstance(by_key[drive.controllerKey], vim.vm.device.VirtualIDEController)
    assert drive.connectable is not None
    assert drive.connectable.startConnected
    assert isinstance(drive.backing, vim.vm.device.VirtualCdrom.IsoBackingInfo)
    disc = host.disk / drive.backing.fileName.partition("] ")[2]
    assert disc.read_bytes() == seed_image.iso(host.spec.seed)
    assert told == sorted(told)
    assert told[-1] == 1.0


async def test_an_esxi_host_by_itself_has_no_folder_and_is_used_all_the_same(
    alone: Centre, ova: Path
) -> None:
    network = alone.id(vim.Network, "VM Network")
    async with between((alone.host, alone.port)) as proxy:
        spec, compute = kinds.spec((network, network)), "localhost.localdomain"
        kind = VsphereKind(centre=alone, proxy=proxy, image=ova, spec=spec, compute=compute)
        provider = kind.direct()
        vlan = await provider.segment("vswitch:vSwitch0", 7)
        spec = replace(kind.spec, nics=(kind.spec.nics[0], replace(kind.spec.nics[1], segment=vlan)))
        had = kind.there()
        await provider.deploy(spec, unwatched)
        await provider.power(OWNER, on=True, grace=0)
        assert (await provider.find(OWNER)) is not None
        assert alone.named(vim.VirtualMachine, OWNER).resourcePool.name == "Cloud_Connect_Replication"
        await provider.destroy(OWNER)
        assert kind.there() == had - {"network causeway-vSwitch0-vlan-7"}


async def test_what_a_killed_controller_left_goes_with_the_next_deployment(host: VsphereKind) -> None:
    had = host.there()
    await left_by_a_dead_one(host)
    assert len(host.there() - had) == host.pieces
    assert await host.direct().find(OWNER) is None
    await host.direct().deploy(host.spec, unwatched)
    assert len(host.there() - had) == host.pieces
    await host.direct().destroy(OWNER)
    assert host.there() == had


async def test_what_a_killed_controller_left_goes_with_a_removal(host: VsphereKind) -> None:
    had = host.there()
    await left_by_a_dead_one(host)
    await host.direct().destroy(OWNER)
    assert host.there() == had


async def left_by_a_dead_one(host: VsphereKind) -> None:
    """A whole machine under the name of an attempt, which nobody goes on with."""
    await host.direct()._make(host.spec, "0a0a0a0a", unwatched)


async def test_a_name_that_was_given_and_not_the_mark_is_finished(host: VsphereKind) -> None:
    await host.direct().deploy(host.spec, unwatched)
    reconfigure(machine(host), instanceUuid="7c1f6c3e-5a0e-4a53-9b1c-0242ac120002")
    await host.direct().deploy(host.spec, unwatched)
    assert machine(host).config.instanceUuid == machines.identity(OWNER)
    WaitForTask(machine(host).Rename_Task("renamed by somebody"))
    found = await host.direct().find(OWNER)
    assert found is not None
    assert found.name == "renamed by somebody"


async def test_an_ova_that_is_not_what_its_manifest_says_leaves_nothing(
    host: VsphereKind, tmp_path: Path
) -> None:
    had = host.there()
    host.image = vcenter.ova(tmp_path, broken=True)
    with pytest.raises(HypervisorError, match="is not what its manifest says"):
        await host.direct().deploy(host.spec, unwatched)
    assert host.there() == had


async def test_memory_stays_flat_while_a_disk_is_sent(host: VsphereKind, tmp_path: Path) -> None:
    host.image = vcenter.ova(tmp_path, noise=48 << 20)
    provider = host.direct()
    await provider.find(OWNER)
    gc.collect()
    tracemalloc.start()
    await provider.deploy(host.spec, unwatched)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20, peak


async def test_a_machine_whose_vnics_were_changed_is_not_started(host: VsphereKind) -> None:
    await host.direct().deploy(host.spec, unwatched)
    vm = machine(host)
    card = next(one for one in vm.config.hardware.device if getattr(one, "macAddress", "") == MACS[1])
    elsewhere = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(
        deviceName="VM Network", network=host.centre.named(vim.Network, "VM Network")
    )
    right, card.backing = card.backing, elsewhere
    edit = vim.vm.device.VirtualDeviceSpec(operation="edit", device=card)
    reconfigure(vm, deviceChange=[edit])
    with pytest.raises(HypervisorError, match=f"{OWNER} is not started: its vNICs are"):
        await host.direct().power(OWNER, on=True, grace=0)
    card.backing = right
    card.connectable.startConnected = False
    reconfigure(vm, deviceChange=[edit])
    with pytest.raises(HypervisorError, match="is not connected at power on"):
        await host.direct().power(OWNER, on=True, grace=0)
    found = await host.direct().find(OWNER)
    assert found is not None
    assert not found.powered_on


async def test_a_vm_of_somebody_elses_in_our_place_is_left_alone(host: VsphereKind) -> None:
    theirs = machine(host, "DC0_C0_RP0_VM1")
    own = theirs.config.instanceUuid
    reconfigure(theirs, instanceUuid=machines.identity(OWNER))
    for act in (host.direct().find, host.direct().destroy):
        with pytest.raises(HypervisorError, match="and not our variable"):
            await act(OWNER)
    assert theirs.name == "DC0_C0_RP0_VM1"
    reconfigure(theirs, instanceUuid=own)


async def test_replicas_are_powered_by_their_ids_and_nothing_else_of_them_is_touched(
    host: VsphereKind,
) -> None:
    vm = host.centre.named(vim.VirtualMachine, "DC0_C0_RP0_VM0")
    for identifier in (vm.config.instanceUuid, vm._GetMoId()):
        await host.direct().power(identifier, on=False, grace=0)
        assert vm.runtime.powerState == "poweredOff"
        before = repr(vm.config.hardware)
        await host.direct().power(identifier, on=True, grace=0)
        assert (vm.runtime.powerState, repr(vm.config.hardware)) == ("poweredOn", before)
    await host.direct().destroy(vm.config.instanceUuid)
    assert vm.name == "DC0_C0_RP0_VM0"
    with pytest.raises(HypervisorError, match="there is no machine"):
        await host.direct().power("7c1f6c3e-5a0e-4a53-9b1c-0242ac120002", on=True, grace=0)


@pytest.mark.parametrize(
    ("datastore", "reason"),
    [
        ("LocalDS_1", "is of VMware Virtual Volumes"),
        ("LocalDS_2", "is in a datastore cluster"),
        ("DC0_POD0", "is a datastore cluster"),
        ("nowhere", "there is no datastore nowhere; there is"),
    ],
)
async def test_storage_is_refused_before_anything_is_made(
    host: VsphereKind, datastore: str, reason: str
) -> None:
    pod = host.centre.named(vim.StoragePod, "DC0_POD0")
    WaitForTask(pod.MoveIntoFolder_Task([host.centre.named(vim.Datastore, "LocalDS_2")]))
    kind = vim.StoragePod if datastore == "DC0_POD0" else vim.Datastore
    named = datastore if datastore == "nowhere" else host.centre.id(kind, datastore)
    provider = host.at(host.centre.port, storage=Storage(id=named))
    (said,) = await provider.preflight(host.spec)
    assert reason in said
    with pytest.raises(HypervisorError, match=reason):
        await provider.deploy(host.spec, unwatched)
    children = [one.name for one in host.centre.datacenter.vmFolder.childEntity]
    assert "Cloud_Connect_Replication" not in children


async def test_a_cluster_that_does_not_mount_the_datastore_is_refused(host: VsphereKind) -> None:
    (said,) = await host.at(host.centre.port, cluster="domain-c99").preflight(host.spec)
    assert "cluster domain-c99 is not there; those that mount the datastore are" in said


async def test_a_wrong_password_is_told_and_not_repeated(
    host: VsphereKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcenter, "PASSWORD", "wrong")
    with pytest.raises(HypervisorError, match="refuses user or password") as refused:
        await host.direct().find(OWNER)
    assert "wrong" not in str(refused.value)
