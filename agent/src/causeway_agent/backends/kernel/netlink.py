"""One rtnetlink(7) socket: requests that fail with an errno, dumps that are whole, each with a deadline.

The kernel works on a request inside `send` and has answered when that returns, and it prepares each part of a
dump inside `recv`: nothing here waits for anybody, so nothing is handed to the event loop. The socket's time
limit is for a machine that is stuck.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator

from causeway_agent import errors
from causeway_agent.backends.kernel.rtnl_schema import Message

# linux/netlink.h
_REQUEST = 0x1
_ACK = 0x4
_DUMP = 0x300
_DUMP_INTERRUPTED = 0x10
REPLACE = 0x100
EXCLUSIVE = 0x200
CREATE = 0x400
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _CAP_ACK, _STRICT_CHECK = 270, 10, 12

# linux/rtnetlink.h
NEW_LINK, DELETE_LINK, GET_LINK = 16, 17, 18
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DELETE_ROUTE, GET_ROUTE = 24, 25, 26
NEW_NEIGHBOUR, DELETE_NEIGHBOUR, GET_NEIGHBOUR = 28, 29, 30
NEW_RULE, DELETE_RULE, GET_RULE = 32, 33, 34

_HEADER = struct.Struct("=IHHII")
_CODE = struct.Struct("=i")
_READ = 1 << 17
_DEADLINE = 5.0
"""Seconds; the kernel answers in microseconds unless the machine is stuck."""
_DUMP_ATTEMPTS = 8


class Netlink:
    """Requests and dumps on one socket, one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sequence = 0

    async def request(self, doing: str, kind: int, message: Message, *, flags: int = 0) -> int:
        """Send one request; 0 when done, else the errno the kernel refused it with.

        Raises BackendError when the socket itself fails or nothing comes back.
        """
        with _translated(doing):
            code, _ = self._exchange(kind, _ACK | flags, message)
        await asyncio.sleep(0)  # of a thousand in a row each lets the others have a turn
        return code

    async def dump(self, doing: str, kind: int, message: Message) -> list[Message]:
        """All messages of a dump. Raises BackendError when the kernel refuses."""
        return [Message(message.family, body) for body in await self.bodies(doing, kind, message)]

    async def bodies(self, doing: str, kind: int, message: Message) -> list[memoryview]:
        """The bodies of all messages of a dump, asked for again while the tables change under it.

        Raises BackendError when the kernel refuses.
        """
        for _ in range(_DUMP_ATTEMPTS):
            with _translated(doing):
                code, answers = self._exchange(kind, _DUMP, message)
            await asyncio.sleep(0)
            if code in {errno.EOPNOTSUPP, errno.EAFNOSUPPORT}:
                return []
            if code:
                raise errors.BackendError(doing, os.strerror(code))
            if answers is not None:
                return answers
        raise errors.BackendError(doing, "the tables kept changing while they were read")

    def _exchange(self, kind: int, flags: int, message: Message) -> tuple[int, list[memoryview] | None]:
        """The errno and the bodies of the messages before it; None for them when the dump was interrupted."""
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        body = message.octets()
        self._socket.send(
            _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, self._sequence, 0) + body
        )
        bodies: list[memoryview] = []
        whole = True
        while True:
            for answered, said, sequence, content in _messages(self._socket.recv(_READ)):
                if sequence != self._sequence:
                    continue  # of a request that was given up
                whole = whole and not said & _DUMP_INTERRUPTED
                if answered in {_ERROR, _DONE}:
                    code = -_CODE.unpack_from(content)[0] if len(content) >= _CODE.size else 0
                    return code, bodies if whole else None
                bodies.append(content)


@contextlib.asynccontextmanager
async def open_netlink() -> AsyncIterator[Netlink]:
    """A socket in the network namespace of the calling thread, closed on exit."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(_DEADLINE)
        # The kernel refuses what it does not know instead of passing over it, and filters dumps as asked.
        sock.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
        sock.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        sock.bind((0, 0))
        yield Netlink(sock)


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise errors.BackendError(doing, "no answer from the kernel") from error
    except OSError as error:
        raise errors.BackendError(doing, error.strerror or str(error)) from error


def _messages(data: bytes) -> Iterator[tuple[int, int, int, memoryview]]:
    """Type, flags, sequence number and body of each message in a datagram."""
    view = memoryview(data)
    offset = 0
    while offset + _HEADER.size <= len(view):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(view, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, sequence, view[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3
