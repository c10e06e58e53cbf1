"""Tells that the kernel changed something we may own. Level-triggered: an event only says "look again".

Neighbour messages are left out: the kernel sends them for every ARP entry that ages, and none for proxy
entries, which are the only ones we own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import AsyncIterator, Iterator

from causeway_agent import errors

FIREWALL_WORKER = "causeway-nft"
"""Name of the process that makes our own changes to nftables; those are no news."""
PUBLICATIONS_THREAD = "causeway-rules"
"""Name of the thread that changes the elements of public rules; neither are those."""
_OURS = frozenset({FIREWALL_WORKER, PUBLICATIONS_THREAD})

_COALESCE = 0.02
"""Seconds; a change by a program is a burst of messages."""

# linux/rtnetlink.h: RTMGRP_*, and RTNLGRP_IPV6_RULE (19) as a bit
_GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18
_NAMES = {
    16: "link",
    17: "link",
    20: "address",
    21: "address",
    24: "route",
    25: "route",
    32: "rule",
    33: "rule",
}
# linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
_SOL_NETLINK = 270
_ADD_MEMBERSHIP = 1
_DROP_MEMBERSHIP = 2
_NETLINK_NETFILTER = 12
_ATTACH_FILTER = 26
_GROUP_NFTABLES = 7
_NEW_GENERATION = 10 << 8 | 15
_GENERATION_PROCESS_NAME = 3

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NFNETLINK_HEADER = 4
_READ = 65536
_INSTRUCTION = struct.Struct("=HBBI")
_GENERATIONS_ONLY = (
    (0x28, 0, 0, 4),  # load the half word at 4, nlmsg_type, as if it were in network order
    (0x15, 0, 1, socket.htons(_NEW_GENERATION)),
    (0x06, 0, 0, 0xFFFFFFFF),  # take it
    (0x06, 0, 0, 0),  # leave it
)
"""A classic BPF program (linux/filter.h)."""


class _Watch:
    """The two sockets, read whenever the loop finds data, at most once per coalescing time."""

    def __init__(self, routing: socket.socket, filtering: socket.socket) -> None:
        self._sockets = (routing, filtering)
        self._filtering = filtering
        self._missed = False
        self._readable = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def listen(self, *, on: bool) -> None:
        """Be told of the packet filter, or not. From any thread."""
        verb = _ADD_MEMBERSHIP if on else _DROP_MEMBERSHIP
        self._filtering.setsockopt(_SOL_NETLINK, verb, _GROUP_NFTABLES)

    def miss(self) -> None:
        """The packet filter was changed while nobody listened. From any thread."""
        self._missed = True
        self._loop.call_soon_threadsafe(self._wake)

    def _arm(self) -> None:
        for sock in self._sockets:
            self._loop.add_reader(sock, self._wake)

    def disarm(self) -> None:
        """Stop watching."""
        for sock in self._sockets:
            self._loop.remove_reader(sock)

    def _wake(self) -> None:
        self.disarm()
        self._readable.set()

    async def next(self) -> frozenset[str]:
        """What happened, once anything did; empty when it was only our own doing."""
        self._readable.clear()
        self._arm()
        if not self._missed:
            await self._readable.wait()
        await asyncio.sleep(_COALESCE)
        missed, self._missed = self._missed, False
        told = (reason for sock in self._sockets for reason in _drain(sock))
        return frozenset((*told, "filter") if missed else told)


_watches: set[_Watch] = set()
"""Those that are open in this process."""


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """While the block runs, nobody here is told of the packet filter: for 100,000 new elements the kernel
    would make as many messages, which takes it longer than the elements themselves. From any thread.

    Whoever uses it must find out by the generation whether somebody else changed the filter, and say so with
    `missed`.
    """
    quiet = tuple(_watches)
    for watch in quiet:
        watch.listen(on=False)
    try:
        yield
    finally:
        for watch in quiet:
            with contextlib.suppress(OSError):  # closed meanwhile
                watch.listen(on=True)


def missed() -> None:
    """Let every stream tell of a change of the filter that nobody heard. From any thread."""
    for watch in tuple(_watches):
        watch.miss()


async def events() -> AsyncIterator[str]:
    """What kinds of things changed, comma-separated: link, address, route, rule, filter.

    `overflow` when the kernel had to drop messages. Raises BackendError when the sockets cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        try:
            watch = _Watch(stack.enter_context(_routing()), stack.enter_context(_filter()))
        except OSError as error:
            raise errors.BackendError("watch the kernel", error.strerror or str(error)) from error
        stack.callback(watch.disarm)
        _watches.add(watch)
        stack.callback(_watches.discard, watch)
        while True:
            reasons = await watch.next()
            if reasons:
                yield ",".join(sorted(reasons))


def _routing() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    sock.bind((0, _GROUPS))
    return sock


def _filter() -> socket.socket:
    """Told of generations only. Each rule and element of a change is a message of its own: a new policy alone
    would overflow the socket.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_NETFILTER)
    program = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*each) for each in _GENERATIONS_ONLY))
    place = struct.pack("HP", len(_GENERATIONS_ONLY), ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, place)
    sock.bind((0, 0))
    sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
    return sock


def _drain(sock: socket.socket) -> Iterator[str]:
    while True:
        try:
            data = sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise errors.BackendError("watch the kernel", error.strerror or str(error)) from error
            yield "overflow"
            continue
        yield from reasons(data)


def reasons(data: bytes) -> Iterator[str]:
    """The kinds of change that a datagram of netlink messages tells of."""
    for kind, payload in _split(data, _HEADER):
        if kind in _NAMES:
            yield _NAMES[kind]
        elif kind == _NEW_GENERATION and _process_name(payload) not in _OURS:
            yield "filter"


def _process_name(payload: bytes) -> str | None:
    """Who committed an nftables transaction."""
    for kind, value in _split(payload[_NFNETLINK_HEADER:], _ATTRIBUTE):
        if kind == _GENERATION_PROCESS_NAME:
            return value.rstrip(b"\0").decode(errors="replace")
    return None


def _split(data: bytes, header: struct.Struct) -> Iterator[tuple[int, bytes]]:
    """Kind and payload of consecutive netlink messages or attributes, each aligned to four octets."""
    offset = 0
    size = header.size
    while offset + size <= len(data):
        length, kind, *_ = header.unpack_from(data, offset)
        if length < size:
            return
        yield kind, data[offset + size : offset + length]
        offset += (length + 3) & ~3
