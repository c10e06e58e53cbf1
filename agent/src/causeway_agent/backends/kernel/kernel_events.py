"""Tells that the kernel changed something we may own. Level-triggered: an event only says "look again".

Neighbour messages are left out: the kernel sends them for every ARP entry that ages, and none for proxy
entries, which are the only ones we own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import AsyncIterator, Iterator

from causeway_agent import errors
from causeway_agent.backends.filter import nft_generation
from causeway_agent.plan.steer import beats

_COALESCE = 0.02
"""Seconds; a change by a program is a burst of messages."""
_ASK_SECONDS = 0.2
"""How often the packet filter is asked whether it was changed; nobody tells (see `generations`)."""
_ALERT_SECONDS = 0.02
"""How often after somebody else has changed it: whoever does it once may do it again."""
_ALERT_ASKS = 100
"""How many such questions without another change end the alert."""

# linux/rtnetlink.h: RTMGRP_*, and RTNLGRP_IPV6_RULE (19), _IPV4_NETCONF (24), _IPV6_NETCONF (25) as bits
_GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18 | 1 << 23 | 1 << 24
_NAMES = {
    16: "link",
    17: "link",
    20: "address",
    21: "address",
    24: "route",
    25: "route",
    32: "rule",
    33: "rule",
    80: "setting",
    81: "setting",
}
_HEADER = struct.Struct("=IHHII")
_READ = 65536


class _Watch:
    """The socket, read at most once per coalescing time, and the question to the packet filter.

    Timers instead of a task that sleeps: this is what an idle appliance does five times a second.
    """

    def __init__(self, routing: socket.socket) -> None:
        self._routing = routing
        self._loop = asyncio.get_running_loop()
        self._foreign = nft_generation.GENERATIONS.foreign()
        self._alert = 0
        """Questions left until the packet filter is asked less often."""
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False

    async def next(self) -> frozenset[str]:
        """What happened, once anything did that was not our own doing. Raises BackendError or OSError.

        Nothing is read or asked between two calls: under a storm of changes the caller sets the pace.
        """
        found: asyncio.Future[frozenset[str]] = self._loop.create_future()
        self._heard = False
        self._loop.add_reader(self._routing, self._wake, found)
        self._ask_later(found)
        try:
            return await found
        finally:
            self._loop.remove_reader(self._routing)
            if self._timer is not None:
                self._timer.cancel()

    def _ask_later(self, found: asyncio.Future[frozenset[str]]) -> None:
        wait = _ALERT_SECONDS if self._alert else _ASK_SECONDS
        self._timer = self._loop.call_at(beats.following(self._loop.time(), wait), self._look, found)

    def _wake(self, found: asyncio.Future[frozenset[str]]) -> None:
        self._loop.remove_reader(self._routing)
        self._heard = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_COALESCE, self._look, found)

    def _look(self, found: asyncio.Future[frozenset[str]]) -> None:
        if found.done():
            return  # nobody waits any more
        try:
            told = self._changes()
        except (errors.BackendError, OSError) as error:
            found.set_exception(error)
            return
        if told:
            found.set_result(told)
            return
        if self._heard:
            self._loop.add_reader(self._routing, self._wake, found)
            self._heard = False
        self._ask_later(found)

    def _changes(self) -> frozenset[str]:
        """What happened since the last look; empty when it was only our own doing."""
        told = frozenset(_drain(self._routing)) if self._heard else frozenset[str]()
        before, self._foreign = self._foreign, nft_generation.GENERATIONS.foreign()
        if before == self._foreign:
            self._alert = max(self._alert - 1, 0)
            return told
        self._alert = _ALERT_ASKS
        return told | {"filter"}


async def events() -> AsyncIterator[str]:
    """What kinds of things changed, comma-separated: link, address, route, rule, setting, filter.

    `overflow` when the kernel had to drop messages. Raises BackendError when the kernel cannot be watched.
    """
    with contextlib.ExitStack() as stack:
        try:
            watch = _Watch(stack.enter_context(_routing()))
        except OSError as error:
            raise errors.BackendError("watch the kernel", error.strerror or str(error)) from error
        while True:
            try:
                yield ",".join(sorted(await watch.next()))
            except OSError as error:
                raise errors.BackendError("watch the kernel", error.strerror or str(error)) from error


def _routing() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    sock.bind((0, _GROUPS))
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
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        if kind in _NAMES:
            yield _NAMES[kind]
        offset += (length + 3) & ~3
