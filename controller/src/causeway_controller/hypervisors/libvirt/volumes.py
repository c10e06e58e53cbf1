"""An appliance's volumes in a pool: made, filled by stream, and found again by their names. Blocking.

A volume is ours by its name, `causeway-UUID-ATTEMPT.qcow2` or `.iso`, with the UUID that only our owner id
gives: a pool keeps nothing else about it. Each attempt to deploy has volumes of its own, so nobody writes
into another's. What is kept for all appliances is in `images`.
"""

from __future__ import annotations

import contextlib
import io
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, Final, Protocol

from causeway_controller import system_words
from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.libvirt import binding

ABANDONED_SECONDS: Final = 900.0
"""A volume of an attempt that nobody wrote into for so long is nobody's any more."""
OURS: Final = "causeway-"
"""What the names of all our volumes begin with."""
_KINDS: Final = ("dir", "fs", "netfs")
_QCOW2: Final = struct.Struct(">4sIQIIQ")
"""Magic, version, backing file's offset and length, bits of a cluster, octets of the disk."""


class Source(Protocol):
    """Where octets come from; a file that is read is one."""

    def read(self, most: int, /) -> bytes: ...


def prefix(identity: str) -> str:
    """What the names of this machine's volumes begin with."""
    return f"{OURS}{identity}-"


def disk_size(image: Path) -> int:
    """Return how many octets the image's disk has. Raises HypervisorError: no qcow2, or damaged."""
    hint = "the setting appliances.image names the appliance's qcow2, as `make image` writes it into dist"
    try:
        with image.open("rb") as file:
            head = file.read(_QCOW2.size)
    except OSError as error:
        raise HypervisorError(
            f"the appliance's image cannot be read ({system_words.why(error)}); {hint}"
        ) from error
    if len(head) < _QCOW2.size:
        raise HypervisorError(f"{image} is no qcow2; {hint}")
    magic, _, backing, _, _, size = _QCOW2.unpack(head)
    if magic != b"QFI\xfb" or backing:
        raise HypervisorError(f"{image} is no qcow2 that stands by itself; {hint}")
    digests.check(image)
    return int(size)


def pool(connection: Any, name: str, *, refresh: bool = True) -> Any:
    """Return the pool, looked at anew. Raises HypervisorError where no appliance can be put into it."""
    libvirt = binding.load()
    try:
        found = connection.storagePoolLookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
            raise
        there = ", ".join(sorted(one.name() for one in connection.listAllStoragePools())) or "none"
        raise HypervisorError(f"the host has no pool {name}; there is {there}") from error
    if not found.isActive():
        raise HypervisorError(f"pool {name} is not active; `virsh pool-start {name}`, and pool-autostart")
    kind = ET.fromstring(found.XMLDesc()).get("type", "")  # noqa: S314 - the host's, which may do worse
    if kind not in _KINDS:
        raise HypervisorError(
            f"pool {name} is of type {kind}, which holds no qcow2; take one of {', '.join(_KINDS)}"
        )
    if refresh:
        with contextlib.suppress(libvirt.libvirtError):  # refused while somebody uploads
            found.refresh()
    return found


def available(found: Any) -> int:
    """Octets that the pool has left."""
    return int(found.info()[3])


def create(found: Any, name: str) -> Any:
    """Return a new volume of no octets, which grows by what is sent: so its size says what arrived."""
    return found.createXML(described(name))


def described(name: str) -> str:
    """Return a volume of no octets, as libvirt is told of it; a copy has as many as what is copied."""
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    for size in ("capacity", "allocation"):
        ET.SubElement(volume, size, unit="bytes").text = "0"
    # As raw octets: what is uploaded has a format of its own, and is not to be put into another.
    ET.SubElement(ET.SubElement(volume, "target"), "format", type="raw")
    return ET.tostring(volume, encoding="unicode")


def fill(connection: Any, volume: Any, source: Source, size: int, sent: Callable[[int], None]) -> None:
    """Send these octets into a new volume. `sent` is told of each piece, and ends it by raising.

    Raises HypervisorError when fewer arrived. libvirt does not always say so: what goes wrong with the last
    writes, while `finish` already waits for them, it forgets (virFDStreamCloseInt in util/virfdstream.c).
    """
    _send(connection, volume, source, size, sent)
    arrived = octets(volume)
    if arrived != size:
        raise HypervisorError(
            f"{arrived} of {size} octets of volume {volume.name()} arrived: no space is left in its pool, or "
            "the pool's storage fails; look there, and repeat"
        )


def fill_with(connection: Any, volume: Any, content: bytes) -> None:
    """Send these octets, which are few."""
    fill(connection, volume, io.BytesIO(content), len(content), lambda _: None)


def overwrite(connection: Any, volume: Any, content: bytes) -> None:
    """Send these octets, which are few, to the beginning of what is there."""
    _send(connection, volume, io.BytesIO(content), len(content), lambda _: None)


def beginning(connection: Any, volume: Any, count: int) -> bytes:
    """Return its first octets, which are few."""
    stream, found = connection.newStream(), bytearray()
    volume.download(stream, 0, count)
    stream.recvAll(lambda _stream, piece, _opaque: found.extend(piece), None)
    stream.finish()
    return bytes(found)


def octets(volume: Any) -> int:
    """How many octets the volume's file has."""
    return int(volume.infoFlags(binding.load().VIR_STORAGE_VOL_GET_PHYSICAL)[2])


def remove(found: Any, prefix_of: str, kept: Container[str] = frozenset()) -> None:
    """Delete the volumes whose names begin so, but not those at the paths `kept`."""
    libvirt = binding.load()
    for volume in found.listAllVolumes():
        if volume.name().startswith(prefix_of) and volume.path() not in kept:
            try:
                volume.delete()
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                    raise


def remove_others(found: Any, identity: str, kept: Container[str]) -> None:
    """Delete this machine's volumes but those at the paths `kept`.

    One that somebody still writes into stays: he deletes it himself.
    """
    libvirt = binding.load()
    for volume in found.listAllVolumes():
        with contextlib.suppress(libvirt.libvirtError):
            if volume.name().startswith(prefix(identity)) and volume.path() not in kept:
                volume.delete()


def remove_abandoned(found: Any, identity: str, now: float) -> None:
    """Delete what attempts of this machine left and wrote into last long before `now` (as `written`)."""
    libvirt = binding.load()
    for volume in found.listAllVolumes():
        with contextlib.suppress(libvirt.libvirtError):
            if volume.name().startswith(prefix(identity)) and written(volume) < now - ABANDONED_SECONDS:
                volume.delete()


def written(volume: Any) -> float:
    """When it was last written into: seconds of the host's clock."""
    return float(when(volume))


def when(volume: Any) -> str:
    """The same as the host says it, to the nanosecond."""
    return _description(volume).findtext("target/timestamps/mtime", "0")


def _description(volume: Any) -> ET.Element:
    return ET.fromstring(volume.XMLDesc())  # noqa: S314 - as above


def _send(connection: Any, volume: Any, source: Source, size: int, sent: Callable[[int], None]) -> None:
    stream = connection.newStream()
    volume.upload(stream, 0, size)
    try:
        stream.sendAll(_reader(source, sent), None)
        stream.finish()
    except BaseException:
        with contextlib.suppress(binding.load().libvirtError):
            stream.abort()
        raise


def _reader(source: Source, sent: Callable[[int], None]) -> Callable[[Any, int, Any], bytes]:
    def read(_stream: Any, most: int, _opaque: Any) -> bytes:
        piece = source.read(most)
        sent(len(piece))
        return piece

    return read
