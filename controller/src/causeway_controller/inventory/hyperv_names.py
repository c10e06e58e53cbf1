"""What the inventory calls things of a Hyper-V host: its endpoint, folder, switches, segments and VMs. Pure.

A switch is its id, a GUID, for names of switches need not be unique. A segment is where a vNIC is plugged in:
`GUID`, untagged; `GUID/VLAN`, an access port; `GUID/trunk:LIST`, a port that passes these VLANs tagged.
Hyper-V keeps the VLANs with the vNIC, so a segment is nothing that would have to be made.
"""

from __future__ import annotations

import contextlib
import ntpath
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from causeway_controller.inventory import host_names

_WINRM: Final = 5986
_VLANS: Final = range(1, 4095)
_TRUNK: Final = "trunk:"
_RESERVED: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LONGEST: Final = 120
"""Characters of a directory that leave room for the files in it: a path of Windows has 260 (MAX_PATH)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where a vNIC is plugged in. At most one of `vlan` and `trunk` says something."""

    switch: str
    """The switch's id, in lower case."""
    vlan: int | None = None
    trunk: tuple[int, ...] = ()

    def __str__(self) -> str:
        """The segment as it is named."""
        if self.trunk:
            return f"{self.switch}/{_TRUNK}{ranges(self.trunk)}"
        return self.switch if self.vlan is None else f"{self.switch}/{self.vlan}"


def endpoint(text: str) -> tuple[str, int]:
    """Return the host and port of this endpoint. Raises ValueError."""
    host, port = host_names.endpoint(text, path="/wsman", what="WinRM over HTTPS", port=_WINRM)
    return host.strip("[]"), port


def guid(text: str) -> str:
    """Return this id as it is compared, in lower case. Raises ValueError."""
    found: str | None = None
    with contextlib.suppress(ValueError):
        found = str(uuid.UUID(text))
    if found is None or found != text.lower():
        raise ValueError(f"{text} is no id of Hyper-V's, such as 5b2c1f0e-7d1a-4b8e-9f66-0a1b2c3d4e5f")
    return found


def switch(text: str) -> str:
    """Return the id of this switch. Raises ValueError."""
    try:
        return guid(text)
    except ValueError as error:
        raise ValueError(f"{error}; `Get-VMSwitch | Format-List Name, Id` lists the switches") from error


def segment(text: str) -> Segment:
    """Return the segment of this name. Raises ValueError."""
    name, slash, port = text.partition("/")
    found = switch(name)
    if not slash:
        return Segment(switch=found)
    if port.startswith(_TRUNK):
        return Segment(switch=found, trunk=_list(port.removeprefix(_TRUNK)))
    return Segment(switch=found, vlan=_vlan(port))


def segment_of(name: str, vlan: int) -> str:
    """Return what the segment of this VLAN is called. Raises ValueError for what is no switch."""
    return str(Segment(switch=switch(name), vlan=_vlan(str(vlan))))


def trunk_of(name: str, vlans: Iterable[int]) -> str:
    """Return what the segment that passes these VLANs is called. Raises ValueError for what is no switch."""
    return str(Segment(switch=switch(name), trunk=tuple(sorted({_vlan(str(one)) for one in vlans}))))


def ranges(vlans: Sequence[int]) -> str:
    """Return these VLANs, which are sorted, as Hyper-V's cmdlets take them: `1-100,105`."""
    found: list[list[int]] = []
    for one in vlans:
        if found and one == found[-1][1] + 1:
            found[-1][1] = one
        else:
            found.append([one, one])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def directory(text: str) -> str:
    """Return this local directory of the host, without a slash at its end. Raises ValueError."""
    drive, rest = ntpath.splitdrive(text)
    parts = [one for one in rest.split("\\") if one]
    if re.fullmatch(r"[A-Za-z]:", drive) is None or not rest.startswith("\\"):
        raise ValueError(f"{text} is no local directory of the host; say one such as D:\\Hyper-V")
    for one in parts:
        folder(one)
    found = "\\".join((drive.upper(), *parts))
    if len(found) > _LONGEST:
        raise ValueError(f"{text} has more than {_LONGEST} characters, which leaves no room for files in it")
    return found


def folder(text: str) -> str:
    """Return this name of one folder. Raises ValueError for what Windows does not take."""
    if (
        _RESERVED.search(text)
        or text in {"", ".", ".."}
        or text != text.rstrip(" .")
        or _DEVICES.fullmatch(text)
    ):
        raise ValueError(f"{text!r} is no name of a folder on Windows")
    return text


def _list(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _vlan(first)
        end = _vlan(last) if dash else begin
        found |= set(range(begin, end + 1))
    if ranges(sorted(found)) != text:
        raise ValueError(f"{text} is no list of VLANs in order, such as 101-103,110")
    return tuple(sorted(found))


def _vlan(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or text.startswith("0") or int(text) not in _VLANS:
        raise ValueError(f"{text!r} is no VLAN; say a number from 1 to 4094")
    return int(text)
