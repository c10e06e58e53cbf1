"""From the raw disk to the files that hypervisors take, and the sums over them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from image import layout, ovf, settle
from image import vmdk as stream
from image.workshop import ROOT, Step, Workshop

TEMPLATE = ROOT / "image/appliance.ovf.in"
SCHEMA = "CAUSEWAY_OVF_SCHEMA"
"""Environment variable: a directory with DMTF's dsp8023_1.1.1.xsd, to validate the descriptor with."""
NEIGHBOUR_SCHEMA = ROOT.parent / "shared/ovf-schema"
_CHUNK = 1 << 20


def stem(shop: Workshop) -> str:
    """The name that all files of a release begin with."""
    return f"{shop.flavour.stem}-{shop.inputs.version}"


def convert(step: Step, shop: Workshop, disk: Path) -> None:
    """qcow2, VHDX (zipped: VHDX does not compress) and the VMDK for the OVA."""
    name = stem(shop)
    qcow2, vhdx, vmdk = (
        shop.dist / f"{name}.qcow2",
        shop.build / f"{name}.vhdx",
        shop.build / f"{name}-disk1.vmdk",
    )
    for path, form, options in (
        (qcow2, "qcow2", ("-c", "-o", "compression_type=zstd")),
        (vhdx, "vhdx", ("-o", "subformat=dynamic,block_size=1M")),
    ):
        # One coroutine and in order: otherwise clusters are written in the order in which they get ready.
        step.run("qemu-img", "convert", "-m", "1", "-f", "raw", "-O", form, *options, disk, path)
    settle.vhdx(vhdx)
    stream.write(disk, vmdk)
    for path, form in ((qcow2, "qcow2"), (vhdx, "vhdx"), (vmdk, "vmdk")):
        step.run("qemu-img", "check", path)
        step.run("qemu-img", "compare", "-f", "raw", "-F", form, disk, path)
    pack(vhdx, shop.dist / f"{name}.vhdx.zip", step.epoch)


def pack(path: Path, archive: Path, epoch: int) -> None:
    """A zip archive of one file, dated with the epoch."""
    when = datetime.fromtimestamp(epoch, UTC)
    entry = zipfile.ZipInfo(path.name, when.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    with (
        path.open("rb") as source,
        zipfile.ZipFile(archive, "w") as whole,
        whole.open(entry, "w", force_zip64=True) as target,
    ):
        shutil.copyfileobj(source, target, _CHUNK)


def make_ova(step: Step, shop: Workshop) -> None:
    """The OVA of the VMDK, its descriptor validated where the schema is at hand."""
    name = stem(shop)
    names = ovf.members(name, f"{name}-disk1.vmdk")
    paths = {member: shop.build / member for member in names}
    descriptor, sums, disk = (paths[member] for member in names)
    described = ovf.Appliance(
        name=name,
        version=shop.inputs.version,
        disk=disk.name,
        disk_octets=disk.stat().st_size,
        capacity=layout.disk_mebibytes() * layout.MIB,
    )
    descriptor.write_text(ovf.descriptor(TEMPLATE.read_text(), described))
    validate(step, descriptor)
    sums.write_text(ovf.manifest((path.name, digest(path)) for path in (descriptor, disk)))
    with tarfile.open(shop.dist / f"{name}.ova", "w", format=tarfile.USTAR_FORMAT) as archive:
        for member in names:
            archive.add(paths[member], member, filter=lambda entry: _anonymous(entry, step.epoch))


def descriptor_of(ova: Path) -> str:
    """The descriptor in an OVA, which is its first member; raises OSError, TarError or ValueError."""
    with tarfile.open(ova) as archive:
        first = archive.next()
        file = None if first is None or not first.name.endswith(".ovf") else archive.extractfile(first)
        if file is None:
            raise ValueError(f"{ova}: it does not begin with a descriptor")
        with file:
            return file.read().decode()


def validate(step: Step, descriptor: Path) -> None:
    """Check against DMTF's schema if there is one, else only that it is XML; the log shows which."""
    place = schema()
    against = () if place is None else ("--schema", place)
    step.run("xmllint", "--nonet", "--noout", *against, descriptor)


def schema() -> Path | None:
    """The schema of OVF 1.1 (DSP8023), which is not part of this project; None where there is none."""
    place = Path(os.environ.get(SCHEMA) or NEIGHBOUR_SCHEMA) / "dsp8023_1.1.1.xsd"
    return place if place.exists() else None


def sum_up(shop: Workshop, names: tuple[str, ...]) -> None:
    """SHA256SUMS over these files of dist, in the form of sha256sum(1)."""
    lines = [f"{digest(shop.dist / name)}  {name}\n" for name in sorted(names)]
    (shop.dist / "SHA256SUMS").write_text("".join(lines))


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _anonymous(entry: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o644
    entry.mtime = epoch
    return entry
