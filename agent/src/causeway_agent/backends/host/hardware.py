"""What the machine has before anybody configured it, asked with the standard library only (netdevice(7))."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from causeway_wire.types import MacAddress

VLAN = Path("/proc/net/vlan")
_GET_ADDRESS = 0x8927  # SIOCGIFHWADDR, linux/sockios.h
_REQUEST = struct.Struct("=16sH6s16x")
_ETHERNET = 1  # ARPHRD_ETHER, linux/if_arp.h


def adapters() -> Mapping[MacAddress, str]:
    """Device name by MAC address. What was made on top of an adapter has the same address and comes later."""
    found: dict[MacAddress, str] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        for _, name in sorted(socket.if_nameindex()):
            # It may be gone again.
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(connection, _GET_ADDRESS, _REQUEST.pack(name.encode(), 0, b""))
                _, kind, octets = _REQUEST.unpack(answer)
                if kind == _ETHERNET:
                    found.setdefault(octets.hex(":"), name)
    return found


def makes_vlans(directory: Path = VLAN) -> bool:
    """Whether the 802.1Q module is there; the image loads it before first boot."""
    return directory.is_dir()
