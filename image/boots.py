"""Boots the finished files on virtual hardware like that of each hypervisor, one after another.

Each machine must reach the agent and SSH, and say over SSH that it really runs on what it was given. That
shows that drivers and layout work; real hosts of VMware and Hyper-V are another matter.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from causeway_lab.qemu.acceleration import Acceleration
from image import boot
from image.boot import Booted, Machine

SECONDS = 900.0
"""The longest time for each. Secure Boot under emulation on a busy machine takes minutes."""
# Runs there: firmware, Secure Boot's variable (UEFI 3.3: four octets of attributes, then one), drivers.
_LOOK = """
import glob, json, os
def drivers(path):
    found = set()
    while path not in ("/sys", "/"):
        link = os.path.join(path, "driver")
        if os.path.islink(link): found.add(os.path.basename(os.path.realpath(link)))
        path = os.path.dirname(path)
    return found
root = os.stat("/").st_dev
disk = f"/sys/dev/block/{os.major(root)}:{os.minor(root)}"
# A verified root file system is on a device that the kernel maps onto the partition.
disk = os.path.realpath((glob.glob(f"{disk}/slaves/*") or [disk])[0])
state = glob.glob("/sys/firmware/efi/efivars/SecureBoot-*")
secure = bool(state) and open(state[0], "rb").read()[4] == 1
seen = {"secure" if secure else "uefi" if os.path.isdir("/sys/firmware/efi") else "bios"}
seen |= drivers(disk)
memory = int(open("/proc/meminfo").readline().split()[1]) // 1024
if memory <= 256: seen.add("256 MB")
for card in glob.glob("/sys/class/net/*/device"): seen |= drivers(os.path.realpath(card))
print(json.dumps(sorted(seen)))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of hardware, the file made for it, and what the guest must say that it runs on."""

    name: str
    suffix: str
    """Of the file in `dist`."""
    firmware: str
    disk: str
    adapter: str
    seen: frozenset[str]
    mebibytes: int = 1024
    """Memory."""

    def machine(self, chosen: Acceleration, seconds: float) -> Machine:
        """As it is booted."""
        return Machine(
            firmware=self.firmware,
            disk=self.disk,
            adapter=self.adapter,
            mebibytes=self.mebibytes,
            acceleration=chosen,
            seconds=seconds,
        )


KINDS = (
    Kind(
        name="qemu-uefi",
        suffix=".qcow2",
        firmware="uefi",
        disk="virtio",
        adapter="virtio-net-pci",
        seen=frozenset({"uefi", "virtio_blk", "virtio_net"}),
    ),
    Kind(
        name="qemu-secure-boot",
        suffix=".qcow2",
        firmware="secure",
        disk="virtio",
        adapter="virtio-net-pci",
        seen=frozenset({"secure", "virtio_blk", "virtio_net"}),
    ),
    Kind(
        name="qemu-bios",
        suffix=".qcow2",
        firmware="bios",
        disk="virtio",
        adapter="virtio-net-pci",
        # The least that is supported, here at least once.
        mebibytes=256,
        seen=frozenset({"bios", "virtio_blk", "virtio_net", "256 MB"}),
    ),
    Kind(
        name="esxi-like",
        suffix=".ova",
        firmware="bios",
        disk="pvscsi",
        adapter="vmxnet3",
        seen=frozenset({"bios", "vmw_pvscsi", "vmxnet3"}),
    ),
    Kind(
        name="hyperv-gen1-like",
        suffix=".vhdx.zip",
        firmware="bios",
        disk="ide",
        adapter="virtio-net-pci",
        seen=frozenset({"bios", "ata_piix", "virtio_net"}),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one machine did."""

    kind: Kind
    held: bool
    seen: str
    """What it runs on, by its own word; or why it is not up."""
    api: float | None = None
    ssh: float | None = None


Boot = Callable[[Path, Machine], AbstractContextManager[Booted]]


def run(dist: Path, work: Path, kinds: tuple[Kind, ...], chosen: Acceleration) -> bool:
    """Boot them all; a table and one plain line at the end; whether every one held."""
    outcomes = []
    for kind in kinds:
        print(f"image-boots: {kind.name} with {chosen.name} ...", flush=True)
        outcomes.append(try_out(dist, work, kind, chosen))
        print(f"image-boots: {kind.name}: {outcomes[-1].seen}", flush=True)
    print(table(outcomes))
    held = sum(each.held for each in outcomes)
    print(f"image-boots: {held} of {len(outcomes)} kinds of machine reached the agent's API and SSH")
    return held == len(outcomes)


def try_out(
    dist: Path, work: Path, kind: Kind, chosen: Acceleration, *, start: Boot = boot.booted
) -> Outcome:
    """Boot one and have it look at itself."""
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="causeway-boots-", dir=work) as name:
        try:
            disk = unpacked(dist, kind.suffix, Path(name))
            with start(disk, kind.machine(chosen, SECONDS)) as machine:
                said = machine.run(f"python3 -c {shlex.quote(_LOOK)}")
                found = frozenset(json.loads(said))
                missing = kind.seen - found
                words = f"not on {', '.join(sorted(missing))}" if missing else ", ".join(sorted(found))
                return Outcome(kind=kind, held=not missing, seen=words, api=machine.api, ssh=machine.ssh)
        except boot.NotUpError as error:
            return Outcome(kind=kind, held=False, seen=f"not up; the end of its console:\n{error}")
        except (OSError, ValueError) as error:
            return Outcome(kind=kind, held=False, seen=f"{type(error).__name__}: {error}")


def unpacked(dist: Path, suffix: str, place: Path) -> Path:
    """The disk in the file that a hypervisor is given: the qcow2 itself, the OVA's VMDK, the zipped VHDX."""
    found = sorted(dist.glob(f"causeway-*{suffix}"))
    if not found:
        raise FileNotFoundError(f"no causeway-*{suffix} in {dist}: make image")
    if suffix == ".ova":
        with tarfile.open(found[-1]) as archive:
            disk = next(name for name in archive.getnames() if name.endswith(".vmdk"))
            source = archive.extractfile(disk)
            if source is None:
                raise ValueError(f"{found[-1]}: {disk} is no file")
            path = place / "disk.vmdk"
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            return path
    if suffix == ".vhdx.zip":
        with zipfile.ZipFile(found[-1]) as archive:
            return Path(archive.extract(archive.namelist()[0], place))
    return found[-1]


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as a Markdown table."""
    lines = [
        "| machine | file | API after | SSH after | runs on | |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    for each in outcomes:
        times = ["-" if value is None else f"{value:.0f} s" for value in (each.api, each.ssh)]
        seen = each.seen.splitlines()[0]
        verdict = "held" if each.held else "FAILED"
        lines.append(
            f"| {each.kind.name} | `{each.kind.suffix}` | {times[0]} | {times[1]} | {seen} | {verdict} |"
        )
    return "\n".join(lines)
