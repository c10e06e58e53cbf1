"""Where a seed may come from, in the order in which they decide: credential, ISO image, VMware guestinfo.

A carrier that has something decides, good or bad: a later one never repairs an earlier one. Two that
contradict each other are a mistake, or somebody's attempt; nothing is taken then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from causeway_agent.backends import block_devices, guestinfo
from causeway_agent.backends.block_devices import Disk
from causeway_agent.errors import BackendError, SeedRefusedError
from causeway_agent.first_boot import iso9660
from causeway_agent.first_boot.carrier import Carrier
from causeway_wire import seed
from causeway_wire.problem import ProblemType, problem

CREDENTIALS = "CREDENTIALS_DIRECTORY"
_ENVIRONMENT = "ovfEnv"
_ENVIRONMENT_LIMIT = 256 * 1024
_OE = "{http://schemas.dmtf.org/ovf/environment/1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A seed's octets, unread."""

    where: str
    data: bytes
    disk: Disk | None = None
    """The drive it was in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """How to reach the carriers of this machine."""

    carriers: Sequence[Carrier] = tuple(Carrier)
    credentials: Path | None = None
    """Directory of the unit's credentials (systemd.exec(5), CREDENTIALS)."""
    disks: Callable[[], Sequence[Disk]] = block_devices.disks
    guestinfo: Callable[[str], bytes | None] | None = None
    """Asks the host for a variable; None where the host is not VMware's."""


def of_this_machine(carriers: Sequence[Carrier]) -> Sources:
    """The carriers named, as this process can reach them."""
    directory = os.environ.get(CREDENTIALS)
    return Sources(
        carriers=carriers,
        credentials=None if directory is None else Path(directory),
        guestinfo=guestinfo.read if guestinfo.is_vmware() else None,
    )


def look(sources: Sources) -> Found | None:
    """The seed of the first carrier that has one; raises SeedRefusedError for two that differ, or when the
    carrier is ours and cannot be read.
    """
    found = [each for carrier in Carrier if carrier in sources.carriers for each in _LOOK[carrier](sources)]
    if not found:
        return None
    for other in found[1:]:
        if other.data != found[0].data:
            detail = (
                f"{found[0].where} and {other.where} carry different seeds; remove the one that is not meant"
            )
            raise _refused(f"two carriers at once ({found[0].where}, {other.where})", detail)
    return found[0]


def _credential(sources: Sources) -> Iterator[Found]:
    if sources.credentials is None:
        return
    path, where = sources.credentials / seed.CREDENTIAL, f"credential {seed.CREDENTIAL}"
    try:
        with path.open("rb") as file:
            yield Found(where=where, data=file.read(seed.MAX_OCTETS + 1))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(where, f"it cannot be read: {error.strerror}") from error


def _iso(sources: Sources) -> Iterator[Found]:
    for disk in sources.disks():
        ours = False
        where = f"the disk labelled {seed.LABEL} in {disk.path}"
        try:
            with disk.opened() as reader:
                ours = iso9660.label(reader.read) == seed.LABEL
                if ours:
                    data = iso9660.file(reader.read, seed.FILE, limit=seed.MAX_OCTETS)
                    yield Found(where=where, data=data, disk=disk)
        except iso9660.DamagedError as error:
            raise _refused(where, str(error)) from error
        except OSError as error:
            # A disk that cannot be read and does not say that it is ours is somebody else's matter.
            if ours and not block_devices.is_empty(error):
                raise _refused(where, f"it cannot be read: {error.strerror}") from error


def _guestinfo(sources: Sources) -> Iterator[Found]:
    if sources.guestinfo is None:
        return
    try:
        plain = sources.guestinfo(seed.CREDENTIAL)
        environment = sources.guestinfo(_ENVIRONMENT)
    except BackendError as error:
        raise _refused("VMware guestinfo", f"it cannot be read: {error}") from error
    if plain is not None:
        yield Found(where=f"guestinfo.{seed.CREDENTIAL}", data=plain)
    if environment is not None and (value := ovf_property(environment)) is not None:
        yield Found(where=f"OVF property {seed.CREDENTIAL}", data=value)


def ovf_property(environment: bytes) -> bytes | None:
    """The seed among the properties of an OVF environment (DSP0243, 9); raises SeedRefusedError."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - only a VMware guest needs it

    where = "the OVF environment"
    if len(environment) > _ENVIRONMENT_LIMIT or b"<!DOCTYPE" in environment:
        raise _refused(where, "it is no plain OVF environment")
    try:
        root = ET.fromstring(environment)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except (ET.ParseError, ValueError) as error:
        raise _refused(where, f"it is no XML: {error}") from error
    for entry in root.iter(f"{_OE}Property"):
        if entry.get(f"{_OE}key") == seed.CREDENTIAL and (value := entry.get(f"{_OE}value")):
            return value.encode()
    return None


def _refused(where: str, detail: str) -> SeedRefusedError:
    return SeedRefusedError(where, (problem(ProblemType.INVALID, detail),))


_LOOK: dict[Carrier, Callable[[Sources], Iterator[Found]]] = {
    Carrier.CREDENTIAL: _credential,
    Carrier.ISO: _iso,
    Carrier.GUESTINFO: _guestinfo,
}
