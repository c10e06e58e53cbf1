"""The provider of machines that boot, with real QEMU and real tap devices; what boots is an empty disk."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.hypervisors.base import HypervisorError, MachineSpec, NicSpec
from causeway_lab.qemu import acceleration, qmp
from causeway_lab.qemu import provider as qemu
from causeway_lab.qemu.command import DRIVE, Carrier, Hardware
from causeway_lab.qemu.provider import QemuProvider
from causeway_lab.world import namespaces

pytestmark = [
    pytest.mark.booted,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        shutil.which(acceleration.QEMU) is None, reason="needs QEMU: scripts/setup image installs it"
    ),
]

SEGMENTS = ("left", "right")
SPEC = MachineSpec(
    owner_id="acme/one",
    name="one",
    nics=(
        NicSpec(mac="02:ca:05:77:00:01", segment="left"),
        NicSpec(mac="02:ca:05:77:00:02", segment="right"),
    ),
    seed=b"{}",
)


def silent(_phrase: str, _fraction: float) -> None:
    pass


@pytest.fixture(autouse=True)
def _fabric(sandboxed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fabric of this test's own beside the lab's."""
    monkeypatch.setattr(namespaces, "FABRIC", "booted-fabric")
    namespaces.create_fabric(SEGMENTS)
    yield
    namespaces.run(None, "ip", "netns", "delete", namespaces.FABRIC)


@pytest.fixture
def provider(tmp_path: Path) -> QemuProvider:
    image = tmp_path / "image.qcow2"
    namespaces.run(None, "qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M")
    return again(tmp_path)


def again(tmp_path: Path, carrier: Carrier = Carrier.DISC) -> QemuProvider:
    """A provider that remembers nothing but what is on disk."""
    return QemuProvider(
        image=tmp_path / "image.qcow2",
        segments=SEGMENTS,
        directory=tmp_path / "machines",
        hardware=Hardware(mebibytes=16, firmware=None),
        carrier=carrier,
    )


@pytest_asyncio.fixture
async def running(provider: QemuProvider) -> AsyncIterator[QemuProvider]:
    await provider.deploy(SPEC, silent)
    await provider.power(SPEC.owner_id, on=True, grace=0)
    yield provider
    await provider.destroy(SPEC.owner_id)


async def is_on(provider: QemuProvider) -> bool:
    found = await provider.find(SPEC.owner_id)
    return found is not None and found.powered_on


def pid(provider: QemuProvider) -> int:
    found = qemu.process(provider.files(SPEC.owner_id))
    assert found is not None
    return found


def taps() -> set[str]:
    listed = namespaces.run(namespaces.FABRIC, "ip", "-brief", "link")
    return {nic.mac for nic in SPEC.nics if namespaces.outlet(nic.mac) in listed}


async def test_every_verb_may_be_repeated_and_a_later_provider_knows_the_machine(
    tmp_path: Path, provider: QemuProvider
) -> None:
    first = await provider.deploy(SPEC, silent)
    assert await provider.deploy(SPEC, silent) == first
    assert not first.powered_on
    await provider.power(SPEC.owner_id, on=True, grace=0)
    started = pid(provider)
    await again(tmp_path).power(SPEC.owner_id, on=True, grace=0)
    assert pid(again(tmp_path)) == started
    assert taps() == {nic.mac for nic in SPEC.nics}
    for _ in range(2):
        await again(tmp_path).power(SPEC.owner_id, on=False, grace=0)
        assert not await is_on(provider)
    for _ in range(2):
        await provider.destroy(SPEC.owner_id)
    assert await provider.find(SPEC.owner_id) is None
    assert not taps()


async def test_what_does_not_shut_down_in_time_is_cut(running: QemuProvider) -> None:
    began = asyncio.get_running_loop().time()
    await running.power(SPEC.owner_id, on=False, grace=0.5)
    assert not await is_on(running)
    assert asyncio.get_running_loop().time() - began < 5


async def test_a_machine_that_answers_nobody_is_ended_all_the_same(
    running: QemuProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu, "_END_SECONDS", 0.5)
    os.kill(pid(running), signal.SIGSTOP)
    await running.power(SPEC.owner_id, on=False, grace=0)
    assert not await is_on(running)


def remember(provider: QemuProvider, before: str, after: str) -> str:
    """Change what is remembered of the process; what it was."""
    path = provider.files(SPEC.owner_id).process
    remembered = path.read_text()
    path.write_text(remembered.replace(before, after))
    return remembered


async def test_another_process_with_its_number_is_not_taken_for_the_machine(running: QemuProvider) -> None:
    remembered = remember(running, '"started": ', '"started": 1')
    assert not await is_on(running)
    running.files(SPEC.owner_id).process.write_text(remembered)
    assert await is_on(running)


async def test_an_interrupted_deployment_is_done_again(provider: QemuProvider) -> None:
    files = provider.files(SPEC.owner_id)
    files.directory.mkdir(parents=True)
    files.disk.write_text("half a disk")
    assert await provider.find(SPEC.owner_id) is None
    await provider.deploy(SPEC, silent)
    assert await provider.find(SPEC.owner_id) is not None


async def test_what_cannot_be_deployed_is_refused_with_reasons(
    tmp_path: Path, provider: QemuProvider
) -> None:
    lost = NicSpec(mac="02:ca:05:77:00:03", segment="nowhere")
    (tmp_path / "image.qcow2").unlink()
    wrong = MachineSpec(owner_id="x", name="x", nics=(lost,), seed=b"{}")
    with pytest.raises(HypervisorError, match=r"no segment nowhere; .*image\.qcow2 cannot be read"):
        await provider.deploy(wrong, silent)


async def in_the_drive(provider: QemuProvider) -> str | None:
    """The file that is the disc, as the machine says."""
    for drive in await qmp.execute(provider.files(SPEC.owner_id).monitor, "query-block"):
        if drive.get("qdev") == DRIVE:
            inserted = drive.get("inserted")
            return None if inserted is None else str(inserted["file"])
    raise AssertionError("there is no drive")


async def test_a_machine_without_a_seed_has_an_empty_drive_until_a_disc_is_put_in(tmp_path: Path) -> None:
    provider = again(tmp_path)
    namespaces.run(None, "qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "image.qcow2"), "1M")
    await provider.deploy(dataclasses.replace(SPEC, seed=b""), silent)
    try:
        await provider.power(SPEC.owner_id, on=True, grace=0)
        assert await in_the_drive(provider) is None
        for data in (b"{}", b'{"another": 1}'):
            await provider.insert(SPEC.owner_id, data)
            disc = provider.files(SPEC.owner_id).seed
            assert await in_the_drive(provider) == str(disc)
            assert data in disc.read_bytes()
    finally:
        await provider.destroy(SPEC.owner_id)


async def test_a_seed_in_smbios_is_on_no_disc_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    provider = again(tmp_path, Carrier.CREDENTIAL)
    namespaces.run(None, "qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "image.qcow2"), "1M")
    await provider.deploy(SPEC, silent)
    try:
        await provider.power(SPEC.owner_id, on=True, grace=0)
        assert await in_the_drive(provider) is None
        (credential,) = provider.files(SPEC.owner_id).credentials()
        assert credential.read_bytes().startswith(b"io.systemd.credential.binary:causeway.seed=")
        assert credential.stat().st_mode & 0o777 == 0o600
    finally:
        await provider.destroy(SPEC.owner_id)
