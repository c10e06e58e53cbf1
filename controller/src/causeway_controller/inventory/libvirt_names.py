"""What the inventory calls things of a libvirt host: its endpoint, switches, segments and VMs. Pure.

A segment is where a vNIC is plugged in: `NAME`, a network of libvirt's; `bridge:NAME`, a bridge of the host;
`openvswitch:NAME` or `openvswitch:NAME/VLAN`, a bridge of Open vSwitch whose port libvirt tags. A switch is
where VLANs are: `openvswitch:NAME`, or one of the others with `{vlan}` in its name. libvirt 9 neither makes
the VLANs of a Linux bridge nor tags its ports: the administrator makes a bridge for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from causeway_controller.inventory import host_names

VLAN: Final = "{vlan}"
_DEVICE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
"""A name of 15 octets (IFNAMSIZ in netdevice(7))."""
_NETWORK: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,62}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_SOCKET: Final = re.compile(r"/[A-Za-z0-9_./-]{1,106}")
_VLANS: Final = range(1, 4095)


class SegmentKind(StrEnum):
    """What a vNIC is plugged into."""

    NETWORK = "network"
    BRIDGE = "bridge"
    OPENVSWITCH = "openvswitch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where a vNIC is plugged in; `vlan` is the tag of its port, of Open vSwitch only."""

    kind: SegmentKind
    name: str
    vlan: int | None = None


class Transport(StrEnum):
    """How libvirt is reached."""

    LOCAL = "qemu"
    SOCKET = "qemu+unix"
    TLS = "qemu+tls"
    SSH = "qemu+ssh"


def segment(text: str) -> Segment:
    """Return the segment of this name. Raises ValueError."""
    kind, name = _split(text)
    name, slash, tag = name.partition("/")
    if slash:
        if kind is not SegmentKind.OPENVSWITCH:
            raise ValueError(f"{text} has a VLAN behind its name, which only openvswitch:NAME/VLAN can")
        if not tag.isdecimal() or not tag.isascii() or int(tag) not in _VLANS:
            raise ValueError(f"{tag} is no VLAN; say a number from 1 to 4094")
    _named(kind, name)
    return Segment(kind=kind, name=name, vlan=int(tag) if slash else None)


def segment_of(switch: str, vlan: int) -> str:
    """Return what the segment of this VLAN is called. Raises ValueError for what is no switch."""
    kind, name = _split(switch)
    if kind is SegmentKind.OPENVSWITCH:
        _named(kind, name)
        return f"{switch}/{vlan}"
    if VLAN not in name:
        raise ValueError(
            f"{switch} does not say where a VLAN is: write {VLAN} in it, as in bridge:br{VLAN}, and make "
            "such a bridge on the host for each VLAN; or name a bridge of Open vSwitch, as openvswitch:NAME"
        )
    _named(kind, name.replace(VLAN, str(vlan)))
    return switch.replace(VLAN, str(vlan))


def vm(text: str) -> None:
    """Raise ValueError unless this is a domain's UUID, as `virsh domuuid` writes it."""
    if _UUID.fullmatch(text) is None:
        raise ValueError(f"{text} is no UUID; libvirt knows a VM by what `virsh domuuid NAME` says")


def endpoint(text: str) -> Transport:
    """Return how this endpoint is reached. Raises ValueError.

    libvirt's URIs can name programs to run here and can switch verification off: what is not known to be
    harmless is refused.
    """
    shown = host_names.shown(text)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValueError(f"{shown} has no address in its brackets; {_HINT}") from error
    transport = _transport(urlsplit(shown), shown)  # what may be a password is not repeated
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{shown} has no port of TCP; {_HINT}") from error
    if parts.path == "/session":
        raise ValueError(
            f"{shown} is a user's own libvirt, which cannot plug machines into the host's bridges; "
            f"say {shown.replace('/session', _SYSTEM, 1)}"
        )
    if parts.path != _SYSTEM or parts.fragment:
        raise ValueError(f"{shown} does not end with /system; {_HINT}")
    remote = transport in {Transport.TLS, Transport.SSH}
    user, at, host = parts.netloc.rpartition("@")
    if port is not None:
        host = host.removesuffix(f":{port}")
    if remote and _HOST.fullmatch(host) is None:
        raise ValueError(f"{shown} names no host; say {transport}://HOST/system with its name or address")
    if (not remote and parts.netloc) or (at and transport is not Transport.SSH):
        raise ValueError(
            f"{shown} has {'a user' if at else 'a host'}, which this transport does not take; {_HINT}"
        )
    if at and _USER.fullmatch(user) is None:
        raise ValueError(
            f"{shown} has no user's name in it, and a password is never part of an endpoint; {_HINT}"
        )
    _parameters(parts.query, transport)
    return transport


def _transport(parts: SplitResult, shown: str) -> Transport:
    driver, _, way = parts.scheme.partition("+")
    if driver != _QEMU:
        raise ValueError(f"{shown} is no endpoint of a libvirt host with KVM: {_other(driver, parts)}")
    try:
        return Transport(parts.scheme)
    except ValueError as error:
        why = _NOT_TAKEN.get(way, "libvirt has no such way to a host")
        raise ValueError(f"{shown} goes over {way}, which is not taken: {why}; {_HINT}") from error


_QEMU: Final = "qemu"
_SYSTEM: Final = "/system"
_NOT_TAKEN: Final[Mapping[str, str]] = {
    "tcp": "nothing on it is encrypted, nor is the host known; let libvirtd-tls.socket listen there",
    "libssh": "it has keys and known hosts of its own; OpenSSH's are taken",
    "libssh2": "it has keys and known hosts of its own; OpenSSH's are taken",
    "ext": "it runs a program of the endpoint's choice on the controller's host",
}
"""Ways of libvirt's to a host, and why we do not go them."""
_OTHERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("lxc", "openvz", "vz", "xen", "bhyve", "vbox", "vmwareplayer", "vmwarews", "vmwarefusion", "ch"),
        "appliances are VMs of QEMU with KVM",
    ),
    "test": "libvirt only pretends there, and runs nothing",
}
"""Other drivers of libvirt's."""
_VMWARE: Final = frozenset({"esx", "gsx", "vpx"})


def _other(driver: str, parts: SplitResult) -> str:
    """What to say instead of another driver's URI, or of one of no driver."""
    host = parts.netloc.rpartition("@")[2] or "HOST"
    if driver in _VMWARE:
        return f"say kind: vsphere, and https://{host}/sdk as its endpoint"
    if driver == "hyperv":
        return f"say kind: hyperv, and https://{host}/wsman as its endpoint"
    return f"{_OTHERS[driver]}; {_HINT}" if driver in _OTHERS else _HINT


_HINT: Final = (
    "say qemu:///system, qemu+tls://HOST/system, qemu+ssh://USER@HOST/system, or "
    "qemu+unix:///system?socket=/PATH"
)


def _parameters(query: str, transport: Transport) -> None:
    try:
        said = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise ValueError(f"{query} is no parameter with its value; {_HINT}") from error
    for name, value in said:
        if name != "socket" or transport not in {Transport.SOCKET, Transport.SSH}:
            raise ValueError(f"the parameter {name} is not taken; {_HINT}")
        if _SOCKET.fullmatch(value) is None:
            raise ValueError(f"{value} is no path of a socket; {_HINT}")


def _split(text: str) -> tuple[SegmentKind, str]:
    kind, colon, name = text.partition(":")
    if not colon:
        return SegmentKind.NETWORK, text
    if kind == SegmentKind.NETWORK or kind not in set(SegmentKind):
        raise ValueError(
            f"{text} is neither NAME, of a network of libvirt's, nor bridge:NAME, nor openvswitch:NAME"
        )
    return SegmentKind(kind), name


def _named(kind: SegmentKind, name: str) -> None:
    if kind is SegmentKind.NETWORK:
        if _NETWORK.fullmatch(name) is None:
            raise ValueError(
                f"{name} is no name of a network of libvirt's; letters, digits, . _ + - are taken"
            )
    elif _DEVICE.fullmatch(name) is None:
        raise ValueError(f"{name} is no name of a bridge: at most 15 letters, digits, . _ -")
