"""Persistent tun and tap devices (Documentation/networking/tuntap.rst), created by ioctl.

rtnetlink can describe and delete them but not create them.
"""

from __future__ import annotations

import fcntl
import os
import struct

# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TUNSETPERSIST = 0x400454CB
_TUNSETOWNER = 0x400454CC
_IFF_TUN = 0x0001
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000


def create(device: str, *, owner: int | None, ethernet: bool = False) -> None:
    """Create the device, or take over the existing one, and set its owner (a uid of this user namespace).

    With `ethernet` it carries frames (TAP) instead of packets (TUN). Without an owner, whoever has
    CAP_NET_ADMIN may attach; the kernel cannot take an owner away again. Blocks shortly. Raises OSError:
    EBUSY when a process is attached, EINVAL when it exists and is of the other kind, EPERM without
    CAP_NET_ADMIN, ENOENT without /dev/net/tun.
    """
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        kind = _IFF_TAP if ethernet else _IFF_TUN
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH14x", device.encode(), kind | _IFF_NO_PI))
        if owner is not None:
            fcntl.ioctl(handle, _TUNSETOWNER, owner)
        fcntl.ioctl(handle, _TUNSETPERSIST, 1)
    finally:
        os.close(handle)
