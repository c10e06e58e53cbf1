"""Another controller removes an attempt on vSphere while its seed is put there: nothing of it is left."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pyVim.task import WaitForTask

from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.vsphere import api
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
