"""Two controllers at one attempt on vSphere: what one removes is gone, and what the other finished stays."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pyVim.task import WaitForTask
from pyVmomi import vim

from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.vsphere import api, deployment, machines
from causeway_controller.hypervisors.vsphere.upload import Endpoint
from tests.conformance import kinds
from tests.conformance.kinds import OWNER, VsphereKind
from tests.vcenter import Centre

pytestmark = [pytest.mark.vsphere, pytest.mark.timeout(120)]


@pytest_asyncio.fixture
async def host(centre: Centre, ova: Path) -> AsyncIterator[VsphereKind]:
    async with kinds.vsphere(centre, ova) as kind:
        yield kind


def remove_attempt(host: VsphereKind) -> None:
    (vm,) = (one for one in host.centre.vms() if one.name.startswith(f"{OWNER}-"))
    WaitForTask(vm.Destroy_Task())


async def test_a_disc_that_is_written_when_its_machine_is_gone_goes_too(
    host: VsphereKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Endpoint.put_file

    def removed(endpoint: Endpoint, *arguments: Any) -> None:
        remove_attempt(host)
        put(endpoint, *arguments)

    had = host.there()
    monkeypatch.setattr(Endpoint, "put_file", removed)
    with pytest.raises(HypervisorError, match=r"somebody removed acme-one-.* while it was deployed"):
        await host.direct().deploy(host.spec, unwatched)
    assert host.there() == had


@pytest.mark.parametrize("others", [(), ("notes.txt",)])
async def test_a_disc_that_is_written_while_its_machine_is_removed_goes_with_it(
    host: VsphereKind, monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...]
) -> None:
    """A host leaves what is not the machine's in its directory; the simulator deletes that."""
    had = host.there()
    await host.direct().deploy(host.spec, unwatched)
    (vm,) = (one for one in host.centre.vms() if one.name == OWNER)
    directory = host.disk / Path(vm.config.files.vmPathName.partition("] ")[2]).parent
    (disc,) = directory.glob("*.iso")
    finish, left = api.finish, [disc.name, *others]

    def finished(*arguments: Any, **options: Any) -> object:
        answer = finish(*arguments, **options)
        if left and not directory.exists():
            directory.mkdir()
            while left:
                (directory / left.pop()).touch()
        return answer

    monkeypatch.setattr(api, "finish", finished)
    await host.direct().destroy(OWNER)
    assert not left
    assert [one.name for one in directory.glob("*")] == list(others)
    if others:
        shutil.rmtree(directory)
    assert host.there() == had


async def test_an_old_attempt_that_becomes_the_machine_while_it_is_looked_at_stays(
    host: VsphereKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made it was slow, and is about to give it its name."""
    had = host.there()
    await host.direct().deploy(host.spec, unwatched)
    (slow,) = (one for one in host.centre.vms() if one.name == OWNER)
    others = vim.vm.ConfigSpec(instanceUuid="7c1f6c3e-5a0e-4a53-9b1c-0242ac120002")
    WaitForTask(slow.ReconfigVM_Task(others))
    WaitForTask(slow.Rename_Task(f"{OWNER}-00c0ffee"))
    variable = machines.variable

    def late(vm: Any, key: str) -> str | None:
        if key != deployment.BEGUN:
            return variable(vm, key)
        WaitForTask(slow.Rename_Task(OWNER))
        return "0.0"

    monkeypatch.setattr(machines, "variable", late)
    await host.direct().deploy(host.spec, unwatched)
    monkeypatch.undo()
    assert [one._GetMoId() for one in host.centre.vms() if one.name.startswith(OWNER)] == [slow._GetMoId()]
    await host.direct().destroy(OWNER)
    assert host.there() == had
