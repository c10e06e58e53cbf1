"""What every rtnetlink request needs: the device's index, and an errno turned into an error or forgiven."""

from __future__ import annotations

import errno
import os
import socket

from causeway_agent import errors

GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})
"""What the kernel answers when there is nothing to delete."""


def index(doing: str, device: str) -> int:
    """The device's index; raises BackendError when there is no such device."""
    found = index_or_none(device)
    if found is None:
        raise errors.BackendError(doing, f"there is no device {device}")
    return found


def index_or_none(device: str) -> int | None:
    """The device's index, None when there is no such device."""
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return None


def check(doing: str, code: int, *, fine: frozenset[int] = frozenset()) -> None:
    """Raises BackendError unless the request was done or its errno is fine."""
    if code and code not in fine:
        raise errors.BackendError(doing, os.strerror(code))
