"""A booted appliance is updated over its API, and falls back by itself from an update that is no good.

    .venv/bin/pytest -m booted tests/booted/test_update.py

Takes the newest image in `dist`, or the one that CAUSEWAY_IMAGE names, and the update file beside it.
Where there is none this fails: it was asked for by name.
"""

from __future__ import annotations

import lzma
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.errors import UpdateFailed
from causeway_controller.fleet import client, enrolment, update_file, updates
from causeway_controller.trust.identity import make_office
from causeway_lab.assembly import credentials
from causeway_wire import codec
from causeway_wire.update import Manifest, Slot, SlotState, UpdateState, UpdateStatus
from image import layout, update, verity
from tests import restarting
from tests.booted.updated_machine import DOCUMENT, Appliance, enrol, image, settings

AGENT = "opt/causeway/lib/python3.13/site-packages/causeway_agent"
LASTING = (
    "cat /etc/machine-id; cd /var/lib/causeway; find keys identity documents journal.json "
    "/state/ssh -type f | sort | xargs sha256sum"
)
"""Configuration and identity, as one text."""

pytestmark = [pytest.mark.booted, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Parts:
    """The update file that was built, taken apart."""

    directory: Path
    manifest: Manifest

    def remade(self, version: str, change: Callable[[Path], None]) -> Path:
        """An update file whose system, unpacked in a directory, was changed so."""
        root, tree = self.directory / f"{version}.img", self.directory / version
        subprocess.run(
            ["unsquashfs", "-quiet", "-no-progress", "-dest", tree, self.directory / "root.img"], check=True
        )
        change(tree)
        packing = ("-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "1")
        subprocess.run(["mksquashfs", tree, root, *packing], check=True)
        shutil.rmtree(tree)
        words = [word for word in self.manifest.options.split() if not word.startswith(f"{verity.OPTION}=")]
        system = update.System(
            version=version,
            commit=self.manifest.commit,
            options=" ".join([*words, verity.append(root).option]),
            linux=self.directory / "linux",
            initrd=self.directory / "initrd",
            root=root,
        )
        file = self.directory / f"causeway-{version}.update"
        update.pack(
            file,
            system=system,
            text=update.manifest(system, epoch=_released(self.manifest)),
            epoch=0,
            key=None,
        )
        root.unlink()
        return file


def _released(manifest: Manifest) -> int:
    """When the image in `dist` was released, in seconds since 1970: what is made of it is as old."""
    return int(manifest.released.timestamp()) if manifest.released else 0


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    directory = tmp_path_factory.mktemp("update")
    with tarfile.open(image().with_suffix(".update")) as whole:
        for name in ("manifest.json", "linux", "initrd", "root.xz"):
            packed_part = whole.extractfile(name)
            assert packed_part is not None
            with (directory / name).open("wb") as part:
                shutil.copyfileobj(packed_part, part)
    with lzma.open(directory / "root.xz") as packed, (directory / "root.img").open("wb") as root:
        while piece := packed.read(1 << 20):
            root.write(piece)
    return Parts(directory, codec.decode((directory / "manifest.json").read_bytes(), Manifest))


@pytest_asyncio.fixture
async def appliance(tmp_path: Path) -> AsyncIterator[Appliance]:
    """Booted and enrolled."""
    office, token = make_office("office", tmp_path, now=credentials.now()), enrolment.make_token()
    with restarting.switched_on(image(), settings(office, token)) as there:
        await enrol(there, office, token)
        yield Appliance(there, office)


async def commanded(appliance: Appliance, agent: client.AgentClient) -> str:
    """It has its document; configuration and identity as they must last."""
    await agent.apply(DOCUMENT, timeout=120)
    first = await agent.get_update()
    assert (first.state, first.running, first.next) == (UpdateState.IDLE, Slot.A, Slot.A)
    assert first.report(Slot.A).build is not None
    return appliance.run(LASTING)


async def test_an_update_runs_and_stays_with_configuration_and_identity_as_they_were(
    appliance: Appliance, parts: Parts
) -> None:
    good = update_file.read(parts.remade("1.1", lambda tree: (tree / "etc/second-system").touch()))
    async with appliance.agent() as agent:
        lasting = await commanded(appliance, agent)
        status = await updates.install(agent, good, tries=2, seconds=900)
        assert (status.running, status.next, version(status)) == (Slot.B, Slot.B, "1.1")
        assert appliance.run(f"ls /etc/second-system; {LASTING}") == f"/etc/second-system\n{lasting}"
        assert (await agent.observed()).observed_generation == DOCUMENT.generation
        assert entries(appliance) == ["a.conf", "b.conf"]


async def test_a_system_whose_agent_does_not_start_gives_way_by_itself(
    appliance: Appliance, parts: Parts
) -> None:
    broken = update_file.read(parts.remade("1.2", lambda tree: (tree / AGENT / "app.py").unlink()))
    async with appliance.agent() as agent:
        lasting = await commanded(appliance, agent)
        with pytest.raises(UpdateFailed, match="slot a runs again"):
            await updates.install(agent, broken, tries=2, seconds=60)
        status = await agent.get_update()
        assert (status.state, status.running, status.next) == (UpdateState.FAILED, Slot.A, Slot.A)
        assert status.report(Slot.B).state is SlotState.FAILED
        assert appliance.run(LASTING) == lasting
        assert (await agent.observed()).observed_generation == DOCUMENT.generation
        assert entries(appliance) == ["a.conf", "b+0-2.conf"]
        log = appliance.run("journalctl --boot=-1 --no-pager --output=cat --unit=causeway-trial.service")
        assert "not healthy within 60 s of the start: restarting" in log


def version(status: UpdateStatus) -> str | None:
    """Of what runs."""
    return status.report(status.running).version


def entries(appliance: Appliance) -> list[str]:
    """The loader's, as they are on the disk."""
    device = f"/dev/disk/by-partuuid/{layout.ESP.uuid}"
    looked = f"mkdir -p /run/look && mount -t vfat -o ro {device} /run/look && ls /run/look/loader/entries"
    return appliance.run(f"sh -c {shlex.quote(f'{looked}; umount /run/look')}").split()
