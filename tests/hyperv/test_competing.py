"""Several deployments of one machine on a Hyper-V host, and its removal beside them: what is left of them."""

from __future__ import annotations

import asyncio
import shutil
import threading
import uuid
from pathlib import Path

import pytest

from causeway_controller.hypervisors.base import HypervisorError, unwatched
from causeway_controller.hypervisors.hyperv.files import Folder
from tests.conformance import kept
from tests.conformance.kinds import OWNER, HypervKind
from tests.hyperv.windows import DIRECTORY, RefusedError

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

OTHERS = f"{OWNER}-00c0ffee"
"""Another controller's attempt."""


def others_disk(hyperv: HypervKind) -> Path:
    """Another controller has sent its disk."""
    folder = kept.place(hyperv) / OTHERS
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(hyperv.image, folder / "disk.vhdx")
    return folder


def others_vm(hyperv: HypervKind) -> uuid.UUID | None:
    """And has the host make a VM of it; None where it cannot."""
    there = rf"{DIRECTORY}\Cloud_Connect_Replication"
    parameters = {
        "Name": OTHERS,
        "MemoryStartupBytes": 512 << 20,
        "Generation": 2,
        "VHDPath": rf"{there}\{OTHERS}\disk.vhdx",
        "BootDevice": "VHD",
        "Path": there,
    }
    try:
        (vm,) = hyperv.host.windows._new_vm(None, parameters)
    except RefusedError:
        return None
    return uuid.UUID(str(vm.id))


async def test_whose_folder_is_deleted_while_his_vm_is_made_deletes_the_vm(hyperv: HypervKind) -> None:
    had = hyperv.there()

    def tidy(name: str) -> None:
        if name == "Set-VM":
            (folder,) = kept.place(hyperv).glob(f"{OWNER}-????????")
            shutil.rmtree(folder)
            for image in kept.images(hyperv):
                image.unlink()

    hyperv.host.windows.before = tidy
    with pytest.raises(HypervisorError, match="Add-VMDvdDrive: Cannot find path"):
        await hyperv.direct().deploy(hyperv.spec, unwatched)
    assert hyperv.there() == had


async def test_a_vm_without_its_folder_goes_with_the_next_deployment_and_with_the_removal(
    hyperv: HypervKind,
) -> None:
    had = hyperv.there()
    for act in (hyperv.direct().deploy(hyperv.spec, unwatched), hyperv.direct().destroy(OWNER)):
        folder = others_disk(hyperv)
        assert others_vm(hyperv) is not None
        shutil.rmtree(folder)
        await act
        assert OTHERS not in {vm.name for vm in hyperv.host.windows.vms}
    assert hyperv.there() == had


@pytest.mark.timeout(300)
async def test_a_vm_is_made_at_any_moment_while_its_folder_is_deleted(hyperv: HypervKind) -> None:
    """The other controller dies then."""
    windows = hyperv.host.windows
    provider = hyperv.direct()
    await provider.deploy(hyperv.spec, unwatched)
    had = hyperv.there()
    made, moment = True, 0
    while made:
        moment, made, seen = moment + 1, False, 0
        others_disk(hyperv)

        def make(name: str, moment: int = moment) -> None:
            """After so many answers were found, and before they are told."""
            nonlocal made, seen
            seen += name == "Select-Object"
            if seen == moment and name == "Select-Object":
                made = others_vm(hyperv) is not None

        windows.before = make
        await provider.deploy(hyperv.spec, unwatched)
        windows.before = lambda _: None
        assert hyperv.there() == had, moment
    assert moment > 5


async def test_a_machine_that_is_made_while_its_folder_cannot_be_deleted_is_whole(
    hyperv: HypervKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other controller still wrote its disk when the removal began."""
    remove = Folder.remove
    refused: list[str] = []
    others_disk(hyperv)

    def first(folder: Folder, name: str) -> None:
        if not refused:
            vm = others_vm(hyperv)
            assert vm is not None
            hyperv.host.windows.vms[-1].notes = f"causeway.owner={OWNER}"
            (kept.place(hyperv) / f"{OWNER}.claim").write_text(str(vm))
            refused.append(name)
            raise HypervisorError("the file is being used by another process")
        remove(folder, name)

    monkeypatch.setattr(Folder, "remove", first)
    await hyperv.direct().destroy(OWNER)
    assert refused == [OTHERS]
    assert await hyperv.direct().find(OWNER) is not None
    assert (kept.place(hyperv) / OTHERS / "disk.vhdx").read_bytes() == hyperv.image.read_bytes()


async def test_what_is_made_after_it_was_given_up_goes_too(
    hyperv: HypervKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can stop an act that is under way at the host."""
    real, begun, taken_back = Folder.make, asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def late(folder: Folder, *parts: str) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert taken_back.wait(30)
        real(folder, *parts)

    had = hyperv.there()
    monkeypatch.setattr(Folder, "make", late)
    deploying = asyncio.create_task(hyperv.direct().deploy(hyperv.spec, unwatched))
    await begun.wait()
    deploying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    taken_back.set()
    for asking in threading.enumerate():
        if asking.name == "hyperv":
            await asyncio.to_thread(asking.join, 30)
    assert hyperv.there() == had
