"""Addresses of the machine's adapters by one rtnetlink(7) dump, with the standard library only.

For the console, which lives as long as the machine and must work, small, while the agent is dead.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator

from causeway_agent.errors import BackendError
from causeway_wire.types import IPInterface

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_DUMP_REQUEST = 0x1 | 0x300
_ERROR, _DONE, _NEW_ADDRESS, _GET_ADDRESS = 2, 3, 20, 22
_ADDRESS, _LOCAL = 1, 2
_HEADER, _MESSAGE, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_DEADLINE = 2.0
_BUFFER = 1 << 16


def read() -> dict[str, tuple[IPInterface, ...]]:
    """Addresses by device name, loopback left out; raises BackendError."""
    found: dict[str, tuple[IPInterface, ...]] = {}
    try:
        names = dict(socket.if_nameindex())
        for index, interface in _dump():
            name = names.get(index)
            if name is not None and not interface.ip.is_loopback:
                found[name] = (*found.get(name, ()), interface)
    except OSError as error:
        raise BackendError("read the adapters' addresses", error.strerror or str(error)) from error
    return found


def _dump() -> Iterator[tuple[int, IPInterface]]:
    body = _MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    request = _HEADER.pack(_HEADER.size + len(body), _GET_ADDRESS, _DUMP_REQUEST, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as connection:
        connection.settimeout(_DEADLINE)
        connection.send(request)
        while True:
            for kind, message in _split(connection.recv(_BUFFER), _HEADER):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError(-struct.unpack_from("=i", message)[0], "the kernel refused")
                if kind == _NEW_ADDRESS and (found := _address(message)) is not None:
                    yield found


def _address(message: bytes) -> tuple[int, IPInterface] | None:
    _, length, _, _, index = _MESSAGE.unpack_from(message)
    attributes = dict(_split(message[_MESSAGE.size :], _ATTRIBUTE))
    # Of a point-to-point device, ADDRESS is the other end (linux/if_addr.h).
    octets = attributes.get(_LOCAL) or attributes.get(_ADDRESS)
    if octets is None:
        return None
    return index, ipaddress.ip_interface(f"{ipaddress.ip_address(octets)}/{length}")


def _split(data: bytes, head: struct.Struct) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element behind such a header: length, type; aligned to four octets."""
    while len(data) >= head.size:
        length, kind = head.unpack_from(data)[:2]
        if length < head.size:
            return
        yield kind, data[head.size : length]
        data = data[(length + 3) & ~3 :]
