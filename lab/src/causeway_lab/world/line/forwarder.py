"""The program of a line: frames from one tap device to the other and back, as late and as few as told.

    python -m causeway_lab.world.line.forwarder NEAR FAR SOCKET ADDRESS...

NEAR and FAR name the tap devices it makes, toward the site and toward the internet; SOCKET is a Unix socket
on which it takes an order per connection, and answers it; ADDRESS are its own, for ICMP. It ends with
SIGTERM, and its devices with it.

Tap devices, not packet sockets: the kernel then cuts segments that were to be cut by an adapter, and fills in
checksums, before it hands them out (Documentation/networking/tuntap.rst).
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import ipaddress
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from causeway_lab.world.line.box import Box, Out
from causeway_lab.world.line.conditions import Conditions, Direction
from causeway_lab.world.line.packets import Reporter

_TUNSETIFF = 0x4004_54CA
_IFF_TAP, _IFF_NAPI, _IFF_NO_PI = 0x0002, 0x0010, 0x1000
"""With a receive queue of the device's own (NAPI): else frames wait in that of whichever processor they were
written on, and those written before this program moved to another one arrive after those written since.
"""
_FRAME = 16_384
_AT_ONCE = 64
"""Frames read from one device before the other, and what is due, has its turn."""
_IDLE = 1.0
_TICK = 0.001
"""Packets due within it are delivered together: waking up for each would cost more than carrying it."""
_TRANSMIT_DROPS = 11
"""Which number of a device's line in /proc/net/dev."""
_LARGEST_ORDER = 65_536
_ORDER_SECONDS = 0.1


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the forwarder is told; an empty one only asks."""

    conditions: Conditions | None = None
    rebind: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What it answers."""

    conditions: Conditions
    counters: dict[str, dict[str, int]]
    """By direction, then by what became of packets."""
    waiting: int
    """Packets under way."""


class Forwarder:
    """Two tap devices, a box between them, and a socket for orders."""

    def __init__(self, near: str, far: str, orders: socket.socket, reporter: Reporter) -> None:
        site, internet = _tap(near), _tap(far)
        self._devices = {Direction.UP: internet, Direction.DOWN: site}
        self._sources = {site: Direction.UP, internet: Direction.DOWN}
        self._names = {Direction.UP: near, Direction.DOWN: far}
        self._orders = orders
        self._box = Box(reporter=reporter, now=time.monotonic())

    def run(self) -> None:
        """Forward until the process ends."""
        watched = (*self._sources, self._orders.fileno())
        while True:
            due = self._box.next_due()
            patience = _IDLE if due is None else max(_TICK, due - time.monotonic())
            ready, _, _ = select.select(watched, (), (), patience)
            for descriptor in ready:
                if descriptor in self._sources:
                    self._take(descriptor)
                else:
                    self._obey()
            self._deliver(self._box.due(time.monotonic()))

    def _take(self, descriptor: int) -> None:
        direction = self._sources[descriptor]
        offer, now = self._box.offer, time.monotonic()
        for _ in range(_AT_ONCE):
            try:
                frame = os.read(descriptor, _FRAME)
            except BlockingIOError:
                return
            self._deliver(offer(direction, frame, now))

    def _deliver(self, frames: Iterable[Out]) -> None:
        for direction, frame in frames:
            with contextlib.suppress(OSError):  # a device that is down loses frames, as a cable does
                os.write(self._devices[direction], frame)

    def _obey(self) -> None:
        asking, _ = self._orders.accept()
        with asking, contextlib.suppress(OSError):  # who asked is gone
            asking.settimeout(_ORDER_SECONDS)
            order = msgspec.json.decode(asking.recv(_LARGEST_ORDER), type=Order)
            asking.send(msgspec.json.encode(self._report(order, time.monotonic())))

    def _report(self, order: Order, now: float) -> Report:
        if order.conditions is not None:
            self._box.change(order.conditions, now=now)
        if order.rebind:
            self._box.rebind(now)
        counters = self._box.counters()
        for direction, device in self._names.items():
            if missed := _dropped(device):
                counters[direction.value]["overrun"] = missed
        return Report(conditions=self._box.conditions, counters=counters, waiting=self._box.waiting)


def _tap(name: str) -> int:
    """A tap device of this name, as long as its descriptor is open."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    flags = _IFF_TAP | _IFF_NAPI | _IFF_NO_PI
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return descriptor


def _dropped(device: str) -> int:
    """Frames that came for the device and found its queue full: this program was too slow (proc_net(5))."""
    for line in Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == device:
            return int(numbers.split()[_TRANSMIT_DROPS])
    return 0


def main() -> None:
    """The command line."""
    near, far, path, *addresses = sys.argv[1:]
    reporter = Reporter(addresses=tuple(ipaddress.ip_address(address) for address in addresses))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as orders:
        forwarder = Forwarder(near, far, orders, reporter)
        orders.bind(f"{path}.new")
        orders.listen()
        Path(f"{path}.new").rename(path)  # who sees it can connect
        with contextlib.suppress(PermissionError):  # without it others' work shows as jitter
            os.setpriority(os.PRIO_PROCESS, 0, -15)
        gc.disable()  # nothing here refers to itself in a circle; a collection would be a pause of the line's
        forwarder.run()


if __name__ == "__main__":
    main()
