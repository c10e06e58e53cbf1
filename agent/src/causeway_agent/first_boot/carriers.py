"""Where a seed may come from, in the order in which they decide: credential, ISO image, VMware guestinfo.

The property that the OVA's descriptor offers arrives by either of the last two: its environment lies on a CD
(transport `iso`) or in `guestinfo.ovfEnv` (transport `com.vmware.guestInfo`).

A carrier that has something decides, good or bad: a later one never repairs an earlier one. Two that
contradict each other are a mistake, or somebody's attempt; nothing is taken then.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from causeway_agent.backends.host import block_devices, guestinfo
from causeway_agent.backends.host.block_devices import Disk
from causeway_agent.errors import BackendError, SeedRefusedError
from causeway_agent.first_boot import iso9660
from causeway_agent.first_boot.carrier import Carrier
from causeway_wire import seed
from causeway_wire.problem import ProblemType, problem

CREDENTIALS = "CREDENTIALS_DIRECTORY"
_ENVIRONMENT = "ovfEnv"
_ENVIRONMENT_LIMIT = 256 * 1024
_PROPERTY = f"OVF property {seed.CREDENTIAL}"
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
        # Carriers of text trim it and turn the ends of its lines into spaces.
        if other.data.split() != found[0].data.split():
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
    """Discs labelled for us, and OVF environments (transport `iso`), which hosts label as they like."""
    for disk in sources.disks():
        ours = False
        where = f"the disk labelled {seed.LABEL} in {disk.path}"
        try:
            with disk.opened() as reader:
                ours = iso9660.label(reader.read) == seed.LABEL
                if ours:
                    data = iso9660.file(reader.read, seed.FILE, limit=seed.MAX_OCTETS)
                    yield Found(where=where, data=data, disk=disk)
                elif iso9660.contains(reader.read, seed.OVF_ENVIRONMENT):
                    ours, where = True, f"{seed.OVF_ENVIRONMENT} in {disk.path}"
                    data = iso9660.file(reader.read, seed.OVF_ENVIRONMENT, limit=_ENVIRONMENT_LIMIT)
                    if (value := ovf_property(data, where)) is not None:
                        yield Found(where=f"{_PROPERTY} of {where}", data=value, disk=disk)
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
        variable = sources.guestinfo(seed.CREDENTIAL)
        environment = sources.guestinfo(_ENVIRONMENT)
    except BackendError as error:
        raise _refused("VMware guestinfo", f"it cannot be read: {error}") from error
    if variable is not None and variable.strip():
        yield Found(where=f"guestinfo.{seed.CREDENTIAL}", data=_plain(variable))
    if environment is not None and (value := ovf_property(environment)) is not None:
        yield Found(where=_PROPERTY, data=value)


def ovf_property(environment: bytes, where: str = "the OVF environment") -> bytes | None:
    """The seed among this machine's properties in an OVF environment (DSP0243 1.1, 9), or None where it is
    not set. Raises SeedRefusedError.
    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - only a VMware guest needs it

    if len(environment) > _ENVIRONMENT_LIMIT or b"<!DOCTYPE" in environment:
        raise _refused(where, "it is no plain OVF environment")
    try:
        root = ET.fromstring(environment)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except (ET.ParseError, ValueError, LookupError) as error:
        raise _refused(where, f"it is no XML: {error}") from error
    # The root's own: below `Entity` are those of the other machines of a vApp.
    values = {
        value
        for entry in root.findall(f"{_OE}PropertySection/{_OE}Property")
        if entry.get(f"{_OE}key") == seed.CREDENTIAL and (value := entry.get(f"{_OE}value", "").strip())
    }
    if len(values) > 1:
        raise _refused(where, f"it has more than one {seed.CREDENTIAL}; leave the one that is meant")
    return _plain(values.pop().encode()) if values else None


def _plain(value: bytes) -> bytes:
    """The seed in a variable or property: base64, for whoever cannot type quotation marks there, or itself.

    What is neither is handed on as it is, so that the seed's reader says what is wrong with it.
    """
    try:
        text = base64.b64decode(b"".join(value.split()), validate=True)
    except ValueError:
        return value
    return text if text.lstrip().startswith(b"{") else value


def _refused(where: str, detail: str) -> SeedRefusedError:
    return SeedRefusedError(where, (problem(ProblemType.INVALID, detail),))


_LOOK: dict[Carrier, Callable[[Sources], Iterator[Found]]] = {
    Carrier.CREDENTIAL: _credential,
    Carrier.ISO: _iso,
    Carrier.GUESTINFO: _guestinfo,
}
