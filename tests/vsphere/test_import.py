"""The OVA, imported as a deployer does it, into a vCenter that keeps what it is sent.

The simulator is govmomi's; the client is VMware's own, pyvmomi. The OVA's octets must arrive unchanged, and
the disk in them must be the disk that was packed. What is only a simulator's word is said where it is
asserted.
"""

from __future__ import annotations

import base64
import http.client
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from causeway_wire import seed
from image import export, layout, ovf
from image.workshop import ROOT, Inputs, Workshop
from tests.vcenter import Centre

pytestmark = [pytest.mark.vsphere, pytest.mark.timeout(600)]

NAME, FOLDER = "acme-provider", "Cloud_Connect_Replication"
SEED = base64.b64encode(b'{"version": 1}').decode()


def small(tmp_path: Path) -> tuple[Path, Path, str]:
    """An OVA as the build makes it, of a disk that takes no time: noise, and holes."""
    inputs = Inputs(commit="c" * 40, epoch=1_700_000_000, version="1.2.3", modified=False)
    shop = Workshop(inputs=inputs, build=tmp_path / "build", dist=tmp_path / "dist")
    shop.dist.mkdir()
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as file:
        for place in (0, 1 << 20, 300 << 20):
            file.seek(place)
            file.write(os.urandom(200_000))
        file.truncate(layout.disk_mebibytes() * layout.MIB)
    with shop.step("convert") as step:
        export.convert(step, shop, raw)
        export.make_ova(step, shop)
    return shop.dist / "causeway-1.2.3.ova", raw, "raw"


def built(_: Path) -> tuple[Path, Path, str]:
    """What `make image` left."""
    found = sorted((ROOT / "dist").glob("causeway-*.ova"))
    assert found, "there is no image yet: make image"
    return found[-1], found[-1].with_suffix(".qcow2"), "qcow2"


def specification(centre: Centre, descriptor: str) -> Any:
    """What the vCenter makes of the descriptor; it must find nothing to say against it."""
    place = centre.datacenter
    wanted = vim.OvfManager.CreateImportSpecParams(
        entityName=NAME,
        diskProvisioning="thin",
        locale="",
        deploymentOption="",
        networkMapping=[vim.OvfManager.NetworkMapping(name="management", network=place.network[0])],
        propertyMapping=[vim.KeyValue(key=seed.CREDENTIAL, value=SEED)],
    )
    pool = place.hostFolder.childEntity[0].resourcePool
    made = centre.service.content.ovfManager.CreateImportSpec(descriptor, pool, place.datastore[0], wanted)
    assert not made.error
    assert not made.warning
    return made


def send(centre: Centre, lease: Any, item: vim.OvfManager.FileItem, ova: Path) -> None:
    """One file straight out of the archive, as a deployer streams it."""
    device = next(each for each in lease.info.deviceUrl if each.importKey == item.deviceId)
    target = urlsplit(device.url)
    connection = http.client.HTTPSConnection(centre.host, centre.port, context=centre.trusted, timeout=120)
    with tarfile.open(ova) as archive:
        content = archive.extractfile(item.path)
        assert content is not None
        headers = {"Content-Type": "application/x-vnd.vmware-streamVmdk", "Content-Length": str(item.size)}
        connection.request("POST", target.path, body=content, headers=headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == http.HTTPStatus.OK
    connection.close()


@pytest.mark.parametrize("make", [small, built], ids=["small", "built"])
def test_the_ova_arrives_whole_and_becomes_the_machine_it_describes(
    centre: Centre, tmp_path: Path, make: object
) -> None:
    assert callable(make)
    ova, disk, form = make(tmp_path)
    place = centre.datacenter
    made = specification(centre, export.descriptor_of(ova))
    folder = place.vmFolder.CreateFolder(FOLDER)
    pool = place.hostFolder.childEntity[0].resourcePool
    lease = pool.ImportVApp(made.importSpec, folder)
    assert lease.state == vim.HttpNfcLease.State.ready
    (item,) = made.fileItem
    send(centre, lease, item, ova)
    lease.HttpNfcLeaseComplete()

    (kept,) = centre.uploads.iterdir()
    with tarfile.open(ova) as archive:
        packed = archive.extractfile(item.path)
        assert packed is not None
        assert kept.read_bytes() == packed.read()
    command = ["qemu-img", "compare", "-f", form, "-F", "vmdk", disk, kept]
    assert subprocess.run(command, check=False, capture_output=True, timeout=300).returncode == 0

    machine: Any
    (machine,) = folder.childEntity
    assert machine.name == NAME
    check_hardware(machine)
    # Debian's simulator knows no vApp properties: it keeps what was entered as a plain variable.
    assert {each.key: each.value for each in machine.config.extraConfig}[seed.CREDENTIAL] == SEED
    WaitForTask(machine.PowerOn())
    assert machine.runtime.powerState == vim.VirtualMachine.PowerState.poweredOn
    WaitForTask(machine.PowerOff())
    WaitForTask(machine.Destroy())
    assert not folder.childEntity


def check_hardware(machine: Any) -> None:
    """What the descriptor asks for, as vSphere's own types."""
    assert (machine.config.version, machine.config.guestId) == (ovf.HARDWARE, ovf.GUEST)
    assert hasattr(vim.vm.GuestOsDescriptor.GuestOsIdentifier, ovf.GUEST)
    devices = machine.config.hardware.device
    kinds = {type(each) for each in devices}
    assert {vim.vm.device.ParaVirtualSCSIController, vim.vm.device.VirtualVmxnet3} <= kinds
    (disk,) = (each for each in devices if isinstance(each, vim.vm.device.VirtualDisk))
    (cd,) = (each for each in devices if isinstance(each, vim.vm.device.VirtualCdrom))
    by_key = {each.key: each for each in devices}
    assert isinstance(by_key[disk.controllerKey], vim.vm.device.ParaVirtualSCSIController)
    assert isinstance(by_key[cd.controllerKey], vim.vm.device.VirtualIDEController)
    assert disk.capacityInKB == layout.disk_mebibytes() * 1024
    appliance = ovf.Appliance(name="", version="", disk="", disk_octets=0, capacity=0)
    assert machine.config.hardware.memoryMB == appliance.mebibytes
    assert machine.config.hardware.numCPU == appliance.processors


def test_a_descriptor_that_is_none_is_refused(centre: Centre) -> None:
    with pytest.raises(vmodl.fault.InvalidArgument):
        specification(centre, "<nope")
