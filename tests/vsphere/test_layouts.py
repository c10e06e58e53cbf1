"""Inventories that real vCenters have and the simulator does not by itself: other deployments fail there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from pyVim.task import WaitForTask
from pyVmomi import vim

from causeway_controller.contract.hosts import Grade
from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.inventory.host_needs import HostNeeds
from tests import vcenter
from tests.conformance import kinds
from tests.conformance.kinds import OWNER, VsphereKind
from tests.vcenter import Centre

pytestmark = [pytest.mark.vsphere, pytest.mark.timeout(120)]


@pytest_asyncio.fixture
async def host(centre: Centre, ova: Path) -> AsyncIterator[VsphereKind]:
    async with kinds.vsphere(centre, ova) as kind:
        yield kind


@pytest.fixture
def without_drs(program: Path, tmp_path: Path) -> Iterator[Centre]:
    with vcenter.running(program, tmp_path, "-unscheduled") as one:
        yield one


@pytest_asyncio.fixture
async def unscheduled(without_drs: Centre, ova: Path) -> AsyncIterator[VsphereKind]:
    """A cluster without DRS: it makes no resource pools, and does not choose where a VM is."""
    async with kinds.vsphere(without_drs, ova) as kind:
        yield kind


async def test_a_datacenter_in_folders_has_its_seed_put_there(host: VsphereKind) -> None:
    root, datacenter = host.centre.service.content.rootFolder, host.centre.datacenter
    inner = root.CreateFolder("Sites").CreateFolder("North & South")
    WaitForTask(inner.MoveIntoFolder_Task([datacenter]))
    await host.direct().deploy(host.spec, unwatched)
    (vm,) = (one for one in host.centre.vms() if one.name == OWNER)
    disc = host.disk / Path(vm.config.files.vmPathName.partition("] ")[2]).parent / "causeway-seed.iso"
    assert disc.read_bytes() == seed_image.iso(host.spec.seed)
    await host.direct().destroy(OWNER)
    assert not disc.exists()


async def test_a_cluster_without_drs_has_appliances_in_its_root_pool(unscheduled: VsphereKind) -> None:
    host = unscheduled
    cluster = host.centre.named(vim.ComputeResource, "DC0_C0")
    await host.direct().deploy(host.spec, unwatched)
    (vm,) = (one for one in host.centre.vms() if one.name == OWNER)
    assert (vm.parent.name, vm.resourcePool) == ("Cloud_Connect_Replication", cluster.resourcePool)
    await host.direct().power(OWNER, on=True, grace=0)
    warned = [
        one.text for one in (await host.direct().inspect(HostNeeds())).findings if one.grade is Grade.WARNING
    ]
    assert any("DC0_C0 has no DRS" in text for text in warned)
    await host.direct().destroy(OWNER)
    assert list(host.centre.named(vim.Folder, "Cloud_Connect_Replication").childEntity) == []


async def test_without_drs_the_esxi_host_is_one_that_has_the_datastore(
    unscheduled: VsphereKind,
) -> None:
    host = unscheduled
    (mount,) = host.centre.named(vim.Datastore, "LocalDS_0").host
    first = mount.key
    await host.direct().deploy(host.spec, unwatched)
    (vm,) = (one for one in host.centre.vms() if one.name == OWNER)
    assert vm.runtime.host == first
    await host.direct().destroy(OWNER)
    WaitForTask(first.EnterMaintenanceMode_Task(0))
    with pytest.raises(HypervisorError, match="no ESXi host of DC0_C0 is connected, not in maintenance"):
        await host.direct().deploy(host.spec, unwatched)


async def test_a_cluster_with_drs_is_not_told_where(host: VsphereKind) -> None:
    findings = (await host.direct().inspect(HostNeeds())).findings
    assert not any("DRS" in one.text for one in findings)
    await host.direct().deploy(host.spec, unwatched)
    (vm,) = (one for one in host.centre.vms() if one.name == OWNER)
    assert vm.resourcePool.name == "Cloud_Connect_Replication"
