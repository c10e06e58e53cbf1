"""nfnetlink messages (linux/netfilter/nfnetlink.h): transactions, dumps and requests on one blocking socket.

Raw, because 100,000 elements through nft text take minutes and hundreds of megabytes; as octets, a second.
Everything but `asked` raises OSError with the kernel's errno, and is for a thread, never for the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from causeway_agent.errors import BackendError

SECONDS: Final = 30.0
"""Longest wait for one answer of the kernel; it works on a transaction while the sender is in `send`."""

# linux/netlink.h
_NETFILTER = 12
_SOL_NETLINK, _CAP_ACK = 270, 10
_REQUEST, _ACK, _DUMP, _INTERRUPTED = 0x1, 0x4, 0x300, 0x10
_ERROR, _DONE = 2, 3
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
CREATE: Final = 0x400
"""Flag of messages that make something (NLM_F_CREATE)."""
# linux/netfilter/nfnetlink.h
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFTABLES = 10
# asm-generic/socket.h
_SO_SNDBUFFORCE = 32

_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_OVERHEAD = 4096
"""Octets that a transaction needs beyond its messages."""
_READ = 1 << 18

_Found = TypeVar("_Found")
Message = tuple[int, int, bytes]
"""Type (subsystem and number), flags, body with its generic header."""


class Nfnetlink:
    """One socket in the network namespace of the calling thread.

    Where an error is raised, answers may be left in it: close it then.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
        self._sequence = 0
        self._socket.settimeout(SECONDS)
        # Errors would otherwise repeat the message they are about, up to 64 KiB each.
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.bind((0, 0))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def room(self, wanted: int) -> int:
        """Make the send buffer this large if the kernel lets us; how much one transaction may hold.

        Past the system's limit only with CAP_NET_ADMIN in the first user namespace (socket(7)).
        """
        wanted += _OVERHEAD
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, wanted)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wanted)
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - _OVERHEAD

    def transact(self, messages: Iterable[Message]) -> None:
        """One nftables transaction: all of the messages take effect or none."""
        listed = list(messages)
        if not listed:
            return
        last_kind, last_flags, last_body = listed[-1]
        listed[-1] = (last_kind, last_flags | _ACK, last_body)
        edge = _GENERIC.pack(socket.AF_UNSPEC, 0, _NFTABLES)
        parts = [self._message(_BATCH_BEGIN, 0, edge)]
        parts += [self._message(*message) for message in listed]
        parts.append(self._message(_BATCH_END, 0, edge))
        # The kernel is done when send returns: what it refuses waits in our queue, before the last answer.
        self._socket.send(b"".join(parts))
        self._acknowledged()

    def request(self, kind: int, body: bytes) -> None:
        """One request that is answered with success or an errno; after an errno the socket is still good."""
        self._socket.send(self._message(kind, _ACK, body))
        self._acknowledged()

    def ask(self, kind: int, body: bytes) -> Iterator[memoryview]:
        """Bodies (after the generic header) of the messages that answer one request that is no dump."""
        self._socket.send(self._message(kind, _ACK, body))
        return self._answers()

    def dump(self, kind: int, body: bytes, *, whole: bool = False) -> Iterator[memoryview]:
        """Bodies (after the generic header) of all messages of a dump. With `whole`, raises EINTR at its end
        when what was dumped changed meanwhile.
        """
        self._socket.send(self._message(kind, _DUMP, body))
        return self._answers(whole=whole)

    def _answers(self, *, whole: bool = False) -> Iterator[memoryview]:
        interrupted = False
        while True:
            for kind, flags, body in self._receive():
                interrupted = interrupted or bool(flags & _INTERRUPTED)
                if kind in (_DONE, _ERROR):
                    _raise(body)
                    if whole and interrupted:
                        raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
                    return
                yield body[_GENERIC.size :]

    def _acknowledged(self) -> None:
        """Read answers up to the acknowledgement; raises the first error."""
        for kind, _, body in self._receive():
            if kind == _ERROR:
                _raise(body)
                return
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))

    def _receive(self) -> Iterator[tuple[int, int, memoryview]]:
        data = memoryview(self._socket.recv(_READ))
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, flags, *_ = _HEADER.unpack_from(data, offset)
            yield kind, flags, data[offset + _HEADER.size : offset + length]
            offset += (length + 3) & ~3

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        self._sequence += 1
        return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, self._sequence, 0) + body


class KeptLink:
    """One socket for several threads, one after the other; it stays open in between.

    Closing a netfilter socket waits, while nftables has anything deleted to free, until all processors have
    let go of it (net/netfilter/nf_tables_api.c, nft_rcv_nl_event): 10 to 20 ms after each change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._link: Nfnetlink | None = None

    @contextlib.contextmanager
    def use(self) -> Iterator[Nfnetlink]:
        """The socket, for the block alone; after an exception in it, the next block gets another one."""
        with self._lock:
            link, self._link = self._link or Nfnetlink(), None
            try:
                yield link
            except BaseException:
                link.close()
                raise
            self._link = link

    def close(self) -> None:
        """Close the socket."""
        with self._lock:
            if self._link is not None:
                self._link.close()
                self._link = None


async def asked(work: Callable[[Nfnetlink], _Found], *, doing: str) -> _Found:
    """Do the work with a socket of its own, in a thread; raises BackendError for what the kernel refuses."""
    return await asyncio.to_thread(_with_link, work, doing)


def _with_link(work: Callable[[Nfnetlink], _Found], doing: str) -> _Found:
    link = Nfnetlink()
    try:
        return work(link)
    except OSError as error:
        raise BackendError(doing, error.strerror or str(error)) from error
    finally:
        link.close()


def generic(family: int) -> bytes:
    """The header that every nfnetlink body starts with."""
    return _GENERIC.pack(family, 0, 0)


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to four octets."""
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + bytes(-length % 4)


def nested(kind: int, data: bytes) -> bytes:
    """An attribute that holds attributes; their whole must stay below 64 KiB."""
    return attribute(_NESTED | kind, data)


def text(kind: int, value: str) -> bytes:
    """An attribute of text."""
    return attribute(kind, value.encode() + b"\0")


def attributes(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Consecutive attributes: kind and content."""
    offset, end = 0, len(data)
    while offset + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def _raise(body: memoryview) -> None:
    (code,) = _CODE.unpack_from(body) if len(body) >= _CODE.size else (0,)
    if code:
        raise OSError(-code, os.strerror(-code))
