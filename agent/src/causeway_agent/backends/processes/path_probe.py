"""Finds out what size a tunnel's path carries, each way: packets of several sizes, and the far end's word.

Both ends ask and both answer, so each learns what it can send, and tells the other. Routed tunnels carry the
questions as UDP between their inner addresses, bridged ones in frames that no bridge forwards. The judgement
is `plan.model.path_size`'s. Nothing here is asked whether the tunnel lives.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final, Self

import structlog

from causeway_agent.backends.host import device_counters, proc_file
from causeway_agent.backends.processes.openvpn import Status
from causeway_agent.backends.segment import frames, packet_socket
from causeway_agent.engine import signal
from causeway_agent.engine.ports import Clock
from causeway_agent.errors import BackendError
from causeway_agent.plan.model import path_size
from causeway_agent.plan.model.path_size import PathSize, Search
from causeway_agent.plan.model.processes import PathProbe
from causeway_agent.plan.steer import beats
from causeway_wire.observed import PathReport, Transport, TunnelState
from causeway_wire.types import IPAddress

_NEAREST: Final = bytes.fromhex("0180c2000000")
"""A group address that no bridge forwards (IEEE 802.1Q, 8.6.3)."""
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_VERSION_AND_LENGTH: Final = 0x45
_NOBODY: Final = bytes(4)
_FORMAT: Final = struct.Struct("!4sB3x4sHHH")
"""Magic, kind, the asker's number, size asked about, what the sender can send and hears (0: unknown)."""
_MAGIC: Final = b"CWPS"
_DONT_FRAGMENT: Final = 3
"""IP_PMTUDISC_PROBE and its IPv6 twin: DF is set, and what the kernel believes of the path is not asked."""
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _IPV6_DONTFRAG = 10, 23, 62  # linux/in.h, linux/in6.h
_NOT_NOW: Final = frozenset(
    {errno.ENOBUFS, errno.EAGAIN, errno.EIO, errno.EMSGSIZE, errno.ENETUNREACH, errno.EHOSTUNREACH}
)
"""A tun device takes nothing while no process is attached; a route may be on its way."""
_ATTENTION: Final = 0.2
_GLANCE: Final = 0.6
"""Seconds between looks whether the tunnel is connected, and whether it still is the same connection."""

_log = structlog.get_logger()


class Kind(IntEnum):
    """What a packet says."""

    ASK = 1
    HEARD = 2
    REMARK = 3
    """Nothing but what all of them say."""


@dataclass(slots=True)
class Wire:
    """A socket through the tunnel's device; `build` pads a message to a size inside the tunnel."""

    socket: socket.socket
    build: Callable[[bytes, int], bytes]
    head: int
    """Octets before a message in what is received."""


def open_udp(device: str, local: IPAddress, peer: IPAddress) -> Wire:
    """Between inner addresses. Raises OSError."""
    six = local.version == 6  # noqa: PLR2004
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        if six:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _DONT_FRAGMENT)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _DONT_FRAGMENT)
        sock.bind((str(local), path_size.PORT))
        sock.connect((str(peer), path_size.PORT))
    except OSError:
        sock.close()
        raise
    headers = 48 if six else 28
    return Wire(sock, lambda message, size: message.ljust(size - headers, b"\0"), head=0)


def open_frames(device: str) -> Wire:
    """Frames through a tap, with IPv4 in them, of which OpenVPN reads the type of service. Raises OSError."""
    ethertype = frames.ETHERTYPE_IPV4
    sock = packet_socket.open_frames_to(device, ethertype, _NEAREST)
    head = _NEAREST + packet_socket.mac_of(sock) + ethertype.to_bytes(2, "big")

    def build(message: bytes, size: int) -> bytes:
        kind = message[len(_MAGIC)]
        service = path_size.WHOLE if kind == Kind.ASK else 0
        fields = (_VERSION_AND_LENGTH, service, size, 0, 0, 1, path_size.PROTOCOL, 0, _NOBODY, _NOBODY)
        return head + (_IPV4.pack(*fields) + message).ljust(size, b"\0")

    return Wire(sock, build, head=len(head) + _IPV4.size)


class Wires:
    """Open wires by device, each heard; a context manager that closes them."""

    def __init__(self, open_one: Callable[[str], Wire], hear: Callable[[Wire, str], None]) -> None:
        self._open = open_one
        self._hear = hear
        self._wires: dict[str, Wire] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for device in tuple(self._wires):
            self._close(device)

    def __contains__(self, device: str) -> bool:
        return device in self._wires

    def __getitem__(self, device: str) -> Wire:
        return self._wires[device]

    def renew(self, device: str) -> None:
        """Open one through this device, in the place of any before. Raises OSError."""
        self._close(device)
        self._wires[device] = wire = self._open(device)
        asyncio.get_running_loop().add_reader(wire.socket, self._hear, wire, device)

    def _close(self, device: str) -> None:
        wire = self._wires.pop(device, None)
        if wire is not None:
            asyncio.get_running_loop().remove_reader(wire.socket)
            wire.socket.close()


@dataclass(frozen=True, slots=True)
class Link:
    """What a connected tunnel goes over, outside."""

    transport: Transport
    version: int
    device: str
    since: datetime | None
    """When it connected: another connection may take another path."""

    @classmethod
    def of(cls, status: Status, device: str) -> Self | None:
        """That of a tunnel's end in this state, which this device carries; None while it is not connected."""
        if status.state is not TunnelState.CONNECTED or status.transport is None:
            return None
        version = 6 if (status.remote or "").count(":") > 1 else 4
        return cls(status.transport, version, device, status.since)


@dataclass(slots=True)
class Watch:
    """Watches one tunnel's path while `run` is awaited; what it learnt outlasts that."""

    spec: PathProbe
    clock: Clock
    link: Callable[[], Link | None]
    """What the tunnel is connected over now."""
    changed: Callable[[str], None]
    """Told a short reason when a size changes."""
    size: PathSize | None = None
    """None until something was learnt."""
    learnt: datetime | None = None
    _number: bytes = field(default_factory=lambda: secrets.token_bytes(4))
    _search: Search = field(init=False)
    _link: Link | None = None
    _anew: bool = False
    """Whether nothing was asked yet over this link."""
    _datagrams: PathSize | None = None
    """What the last way over UDP carries, or did; `_search` knows what it added. None: nothing is known."""
    _told: int = 0
    """What the far end says that it can send; 0 before it said anything."""
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: OSError | None = None
    _moved: int = 0
    _ours: int = 0

    def __post_init__(self) -> None:
        self._search = Search(self._overhead(self.spec.version))

    def _overhead(self, version: int) -> int:
        return path_size.overhead(version, bridged=self.spec.ends is None)

    @property
    def full(self) -> PathSize:
        """What is assumed until something else is known."""
        return path_size.full(self.spec.version, bridged=self.spec.ends is None)

    @property
    def report(self) -> PathReport | None:
        """What is known, for the observed document."""
        if self.size is None or self.learnt is None:
            return None
        sends, receives, added = self.size.sends, self.size.receives, self._search.overhead
        streams = self._link is not None and self._link.transport is Transport.TCP
        bridged = self.spec.ends is None
        return PathReport(
            sends=sends,
            receives=receives,
            line_sends=None if streams else sends + added,
            line_receives=None if streams else receives + added,
            learnt=self.learnt,
            problem=None if streams else path_size.problem(self.size, self._version, bridged=bridged),
        )

    @property
    def _version(self) -> int:
        """Of IP outside."""
        return self.spec.version if self._link is None else self._link.version

    async def run(self, ready: Callable[[], None]) -> None:
        """Ask and answer until cancelled. Raises BackendError when the device is missing or goes away.

        It is ready at once: no failover waits, or fails, because a size cannot be found out.
        """
        ready()
        self._failure = None
        try:
            with Wires(self._open, self._hear) as wires:
                for device in self.spec.devices:
                    if device not in self.spec.lent:
                        wires.renew(device)
                await self._ask(wires)
        except OSError as error:
            doing = f"watch the path of tunnel {self.spec.tunnel}"
            raise BackendError(doing, error.strerror or str(error)) from error

    def _open(self, device: str) -> Wire:
        return open_frames(device) if self.spec.ends is None else open_udp(device, *self.spec.ends)

    async def _ask(self, wires: Wires) -> None:
        while True:
            self.relink()
            link, anew, self._anew = self._link, self._anew, False
            if link is None or not self._reaches(wires, link.device, anew=anew):
                await self._sleep(_ATTENTION)
            elif link.transport is Transport.UDP:
                await self._look(wires[link.device], link.device)
            else:
                await self._rest(path_size.BUSY)

    def _reaches(self, wires: Wires, device: str, *, anew: bool) -> bool:
        """Whether questions can go through the device; one that a process makes is another each time, and
        gets its address a moment later.
        """
        if device in self.spec.lent and (anew or device not in wires):
            try:
                wires.renew(device)
            except OSError:
                return False
        return True

    def relink(self) -> None:
        """Take notice of what the tunnel goes over now, at once: whoever asks for its size next, to set
        routes and the filter for this way, must not hear what the one before carried.
        """
        link = self.link()
        if link == self._link:
            return
        self._link = link
        if link is not None:
            self._begin(link)
            self._anew = True
            self._woken.set()

    def _begin(self, link: Link) -> None:
        """Another connection may take another path: what is known of the last one over UDP, or that a line is
        of full size, is what it is taken to carry until it is measured. One over TCP carries all.
        """
        if link.transport is Transport.TCP:
            # TCP cuts its stream to size by itself: whatever the tunnel takes arrives.
            self._told = path_size.stream().receives
            self._publish(path_size.stream().sends)
            return
        known = self._datagrams or PathSize(self._search.ceiling, 0)
        before, self._search = self._search.overhead, Search(self._overhead(link.version))
        # What is still answered of the way before says nothing of this one.
        self._number = secrets.token_bytes(4)
        sends, self._told = (
            path_size.over_another(size, before, self._search.overhead) if size else 0
            for size in (known.sends, known.receives)
        )
        if self.size is not None or sends != self.full.sends:
            self._publish(sends)

    async def _look(self, wire: Wire, device: str) -> None:
        loop = asyncio.get_running_loop()
        for size in self._search.due(loop.time()):
            self._send(wire, Kind.ASK, self._number, size, octets=size)
        # OpenVPN keeps a type of service until the next IPv4 packet; guests may speak IPv6 alone.
        self._send(wire, Kind.REMARK, self._number, 0, octets=path_size.SMALLEST)
        self._learn()
        until = loop.time() + self._search.patience
        while not self._search.settled and not self._anew and loop.time() < until:
            await self._sleep(until - loop.time())
        self._learn()
        if self._search.settled:
            await self._rest(path_size.BUSY if self._busy(device) else path_size.IDLE)

    async def _rest(self, seconds: float) -> None:
        """Ends early when the tunnel is connected anew."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (now := loop.time()) < until and self.link() == self._link and not self._anew:
            await self._sleep(min(until, beats.following(now, _GLANCE)) - now)

    async def _sleep(self, seconds: float) -> None:
        await signal.woken(self._woken, seconds)
        self._woken.clear()
        if self._failure is not None:
            raise self._failure

    def _learn(self) -> None:
        """Take over what the search has found, and what the far end says."""
        if self._search.size is not None and self._link is not None and self._link.transport is Transport.UDP:
            self._publish(self._search.size)

    def _publish(self, sends: int) -> None:
        """Make known what has changed."""
        size = PathSize(sends=sends, receives=self._told or sends)
        if self._link is not None and self._link.transport is Transport.UDP:
            self._datagrams = size
        if size == self.size:
            return
        before, self.size, self.learnt = self.size, size, self.clock.now()
        _log.info("path_size", tunnel=self.spec.tunnel, sends=size.sends, receives=size.receives)
        if (before or self.full) != size:
            self.changed(f"{self.spec.name} {size.sends} {size.receives}")

    def _hear(self, wire: Wire, device: str) -> None:
        """Take one packet; the loop calls again while there are more."""
        try:
            data = wire.socket.recv(2048)
        except OSError as error:
            if error.errno not in {errno.ECONNREFUSED, *_NOT_NOW}:
                self._failure = error
                self._woken.set()
            return
        message = data[wire.head : wire.head + _FORMAT.size]
        if len(message) < _FORMAT.size:
            return
        magic, kind, number, size, sends = _FORMAT.unpack(message)[:5]
        if magic == _MAGIC:
            self._take(wire, kind, number, size)
            if sends and sends != self._told and self._link is not None and self._link.device == device:
                self._told = sends
                self._learn()

    def _take(self, wire: Wire, kind: int, number: bytes, size: int) -> None:
        if kind == Kind.ASK:
            self._send(wire, Kind.HEARD, number, size, octets=path_size.SMALLEST)
        elif kind == Kind.HEARD and number == self._number:
            self._search.heard(size, asyncio.get_running_loop().time())
            if self._search.settled:
                self._woken.set()

    def _send(self, wire: Wire, kind: Kind, number: bytes, size: int, *, octets: int) -> None:
        known = self._search.size or 0
        message = _FORMAT.pack(_MAGIC, kind, number, size, known, self._told)
        try:
            self._ours += octets
            wire.socket.send(wire.build(message, octets))
        except OSError as error:
            if error.errno not in {errno.ECONNREFUSED, *_NOT_NOW}:
                raise

    def _busy(self, device: str) -> bool:
        """Whether large packets moved through the device since the last call, besides ours."""
        moved = _octets(device)
        busy = moved - self._moved - 2 * self._ours > path_size.BUSY_OCTETS
        self._moved, self._ours = moved, 0
        return busy


def _octets(device: str) -> int:
    """Octets received and sent on the device; 0 when there is none."""
    counts = device_counters.of(proc_file.read(device_counters.FILE), device)
    return 0 if counts is None else counts.octets_received + counts.octets_sent
