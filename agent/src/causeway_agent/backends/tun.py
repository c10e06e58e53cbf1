"""Persistent tun devices (Documentation/networking/tuntap.rst), created by ioctl.

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
_IFF_NO_PI = 0x1000


def create(device: str, *, owner: int | None) -> None:
    """Create the device, or take over the existing one, and set its owner (a uid of this user namespace).

    Without an owner, whoever has CAP_NET_ADMIN may attach; the kernel cannot take an owner away again.
    Blocks shortly. Raises OSError: EBUSY when a process is attached, EPERM without CAP_NET_ADMIN, ENOENT
    without /dev/net/tun.
    """
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH14x", device.encode(), _IFF_TUN | _IFF_NO_PI))
        if owner is not None:
            fcntl.ioctl(handle, _TUNSETOWNER, owner)
        fcntl.ioctl(handle, _TUNSETPERSIST, 1)
    finally:
        os.close(handle)
