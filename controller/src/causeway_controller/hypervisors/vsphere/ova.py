"""The appliance's OVA: its descriptor, the disk that it has, and that disk's digest (DSP0243)."""

from __future__ import annotations

import re
import tarfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causeway_controller import system_words
from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.base import HypervisorError

_OVF: Final = "{http://schemas.dmtf.org/ovf/envelope/1}"
_SMALL: Final = 1 << 20
"""The most octets of descriptor and manifest."""
_DIGEST: Final = re.compile(r"SHA256\((?P<name>[^()\n]+)\)= (?P<digest>[0-9a-f]{64})")
_HINT: Final = (
    "the setting appliances.image names the qcow2, and the OVA stands beside it with the ending .ova"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ova:
    """What is in the archive."""

    path: Path
    descriptor: str
    networks: tuple[str, ...]
    """Their names in the descriptor."""
    disk: str
    """The member's name."""
    octets: int
    """Of that member."""
    digest: str
    """Its SHA-256, hexadecimal, as the manifest has it."""
    capacity: int
    """Octets that the disk may grow to."""


def read(path: Path) -> Ova:
    """Return what is in it; the disk itself is not read. Raises HypervisorError."""
    try:
        with tarfile.open(path) as archive:
            members = [one for one in archive.getmembers() if one.isfile()]
            texts = {
                Path(one.name).suffix: _text(archive, one)
                for one in members
                if one.name.endswith((".ovf", ".mf")) and one.size <= _SMALL
            }
            sizes = {one.name: one.size for one in members}
    except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
        raise HypervisorError(
            f"the appliance's OVA cannot be read ({system_words.why(error)}); {_HINT}"
        ) from error
    digests.check(path)
    try:
        return _described(path, texts[".ovf"], texts[".mf"], sizes)
    except (ET.ParseError, KeyError, ValueError) as error:
        raise HypervisorError(f"{path} is no OVA of an appliance ({error}); {_HINT}") from error


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    return "" if file is None else file.read().decode()


def _described(path: Path, descriptor: str, manifest: str, sizes: dict[str, int]) -> Ova:
    root = ET.fromstring(descriptor)  # noqa: S314 - the appliance's own, which is trusted with more
    (file,) = root.iterfind(f"{_OVF}References/{_OVF}File")
    (disk,) = root.iterfind(f"{_OVF}DiskSection/{_OVF}Disk")
    name = file.attrib[f"{_OVF}href"]
    if disk.get(f"{_OVF}capacityAllocationUnits", "byte") != "byte":
        raise ValueError("its disk's capacity is not in bytes")
    digests = {found["name"]: found["digest"] for found in _DIGEST.finditer(manifest)}
    return Ova(
        path=path,
        descriptor=descriptor,
        networks=tuple(
            one.attrib[f"{_OVF}name"] for one in root.iterfind(f"{_OVF}NetworkSection/{_OVF}Network")
        ),
        disk=name,
        octets=sizes[name],
        digest=digests[name],
        capacity=int(disk.attrib[f"{_OVF}capacity"]),
    )
