"""Is the far end of a tunnel there? Asked eight times a second: by ICMP echo (RFC 792, RFC 4443) to its inner
address, or, where a tunnel carries frames and has no addresses, by frames that its loop guard answers.

Silence means dead only when nothing else came out of the tunnel either, so that a busy tunnel whose echoes
are queued is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol, Self

from causeway_agent.backends import guard_frames, packet_socket
from causeway_agent.backends.guard_frames import Frame, Kind
from causeway_agent.plan.processes import FrameProbe
from causeway_wire.types import IPAddress

INTERVAL = 0.125
"""Seconds between probes."""
LIMIT = 0.3
"""Shortest silence that counts as dead, seconds."""
RTT_FACTOR = 4.0
"""...and at least this many smoothed round trips."""
SETTLING = 2.0
"""Seconds a new tunnel gets until its first answer: the far end may still be moving its routes."""

_GAIN = 0.125  # RFC 6298, 2.3
_WINDOW = 64
_HEADER = struct.Struct("!BBHHH")
_RAW_LEVEL, _ICMP_FILTER = 255, 1  # SOL_RAW and ICMP_FILTER, linux/icmp.h
_ICMP6_FILTER = 1  # linux/icmpv6.h


class Pulse:
    """The judgement, without sockets: `beat` says whether the peer is lost. Times in monotonic seconds."""

    def __init__(self, now: float, *, settling: float = SETTLING) -> None:
        self._settling = settling
        self._heard = now
        self._ticked = now
        self._received: int | None = None
        self._due = now
        self._answered = False
        self._round_trip = 0.0
        self._sent = [0.0] * _WINDOW

    @property
    def limit(self) -> float:
        """The silence that counts as dead now, seconds."""
        return max(LIMIT, RTT_FACTOR * self._round_trip) if self._answered else self._settling

    def sent(self, sequence: int, now: float) -> None:
        self._sent[sequence % _WINDOW] = now

    def answered(self, sequence: int, now: float) -> None:
        sample = now - self._sent[sequence % _WINDOW]
        gain = _GAIN if self._answered else 1.0
        self._round_trip += gain * (sample - self._round_trip)
        self._answered = True
        self._heard = now

    @property
    def silent(self) -> bool:
        """Whether no answer came since the last tick, so that the device's counter matters."""
        return self._heard <= self._ticked

    def beat(self, now: float, received: int | None) -> bool:
        """Judge at a tick, given the device's count of received packets if the peer is silent."""
        moved = None not in (received, self._received) and received != self._received
        # A tick that comes late means that we were not running: our own pause is not the peer's silence.
        if moved or now - self._due > INTERVAL:
            self._heard = now
        self._received = received
        self._ticked = now
        return now - self._heard >= self.limit

    def next_tick(self, now: float) -> float:
        """Seconds until the next tick: at most `INTERVAL`, earlier when the limit would be reached before."""
        wait = max(0.001, min(INTERVAL, self._heard + self.limit - now))
        self._due = now + wait
        return wait


class Exchange(Protocol):
    """Questions and answers on one socket."""

    @property
    def socket(self) -> socket.socket:
        """Not blocking; whoever opened the exchange closes it."""

    @property
    def settling(self) -> float:
        """Seconds a new tunnel gets until its first answer."""

    def ask(self, sequence: int) -> None:
        """Send a question; raises OSError when it is not taken."""

    def answer(self) -> int | None:
        """The sequence number of the answer that waits, None when it is none. Raises OSError."""


def probe(device: str, ends: tuple[IPAddress, IPAddress] | FrameProbe) -> Liveness:
    """What probes the far end of the tunnel on this device."""
    if isinstance(ends, FrameProbe):
        return Liveness(device, lambda: FrameEcho(device))
    return Liveness(device, lambda: IcmpEcho(device, *ends))


class Liveness:
    """Probes one peer through one tun device. A context manager; raises OSError where it cannot probe."""

    def __init__(self, device: str, exchange: Callable[[], Exchange]) -> None:
        name = re.escape(device.encode())
        self._counter = re.compile(rb"^\s*" + name + rb":\s*\d+\s+(\d+)", re.MULTILINE)
        self._open = exchange
        self._sequence = 0

    def __enter__(self) -> Self:
        self._counters = os.open("/proc/self/net/dev", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._exchange = self._open()
        except OSError:
            os.close(self._counters)
            raise
        self._pulse = Pulse(time.monotonic(), settling=self._exchange.settling)
        asyncio.get_running_loop().add_reader(self._exchange.socket, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._exchange.socket)
        self._exchange.socket.close()
        os.close(self._counters)

    async def lost(self) -> None:
        """Return when the peer is lost."""
        while True:
            now = time.monotonic()
            if self._pulse.beat(now, self._received() if self._pulse.silent else None):
                return
            self._probe(now)
            await asyncio.sleep(self._pulse.next_tick(now))

    def _probe(self, now: float) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._pulse.sent(self._sequence, now)
        # A refused packet (no route yet, device going down) is an unanswered one.
        with contextlib.suppress(OSError):
            self._exchange.ask(self._sequence)

    def _hear(self) -> None:
        """Take one packet; the loop calls again while there are more."""
        try:
            sequence = self._exchange.answer()
        except OSError:  # an ICMP error about a probe: silence, which `lost` judges
            return
        if sequence is not None:
            self._pulse.answered(sequence, time.monotonic())

    def _received(self) -> int:
        """Packets received on the device, from /proc/net/dev (proc(5))."""
        match = self._counter.search(os.pread(self._counters, 1 << 16, 0))
        return int(match[1]) if match else 0


class IcmpEcho:
    """Echo requests to the far end's inner address. Raises OSError when the socket cannot be made."""

    settling = SETTLING

    def __init__(self, device: str, local: IPAddress, peer: IPAddress) -> None:
        self.socket = _open(device.encode(), local, peer)
        self._version = peer.version
        self._identifier = os.getpid() & 0xFFFF

    def ask(self, sequence: int) -> None:
        self.socket.send(_request(self._version, self._identifier, sequence))

    def answer(self) -> int | None:
        offset = 20 if self._version == 4 else 0  # noqa: PLR2004 - a raw IPv4 socket shows the header
        packet = self.socket.recv(256)
        if len(packet) < offset + _HEADER.size:
            return None
        kind, _, _, identifier, sequence = _HEADER.unpack_from(packet, offset)
        return sequence if kind in (0, 129) and identifier == self._identifier else None


class FrameEcho:
    """Frames through a tap. Raises OSError when the socket cannot be made.

    They are answered by the far agent, not by its kernel: a tunnel that outlives that agent is left alone,
    and its death is for OpenVPN's own ping to notice, within `ping-restart` seconds.
    """

    settling = math.inf

    def __init__(self, device: str) -> None:
        self.socket = packet_socket.open_frames(device, guard_frames.ETHERTYPE)
        self._own = os.urandom(guard_frames.NUMBER_OCTETS)

    def ask(self, sequence: int) -> None:
        frame = Frame(Kind.ECHO, self._own, sequence)
        self.socket.send(guard_frames.build(frame, packet_socket.mac_of(self.socket)))

    def answer(self) -> int | None:
        frame = guard_frames.parse(self.socket.recv(256))
        return (
            frame.sequence
            if frame is not None and (frame.kind, frame.number) == (Kind.REPLY, self._own)
            else None
        )


def _open(device: bytes, local: IPAddress, peer: IPAddress) -> socket.socket:
    """A raw socket that sees echo replies of this peer through this device only; needs CAP_NET_RAW."""
    if local.version == 4:  # noqa: PLR2004
        family, protocol, level, option = socket.AF_INET, socket.IPPROTO_ICMP, _RAW_LEVEL, _ICMP_FILTER
        mask = struct.pack("=I", ~(1 << 0) & 0xFFFFFFFF)  # a set bit blocks the type; 0 is echo reply
    else:
        family, protocol = socket.AF_INET6, socket.IPPROTO_ICMPV6
        level, option = socket.IPPROTO_ICMPV6, _ICMP6_FILTER
        words = [0xFFFFFFFF] * 8
        words[129 >> 5] &= ~(1 << (129 & 31))  # 129 is echo reply
        mask = struct.pack("=8I", *words)
    endpoint = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    try:
        endpoint.setsockopt(level, option, mask)
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        endpoint.bind((str(local), 0))
        endpoint.connect((str(peer), 0))
    except OSError:
        endpoint.close()
        raise
    return endpoint


def _request(version: int, identifier: int, sequence: int) -> bytes:
    """An echo request without payload; for ICMPv6 the kernel fills the checksum in (RFC 3542, 3.1)."""
    if version == 6:  # noqa: PLR2004
        return _HEADER.pack(128, 0, 0, identifier, sequence)
    total = 0x0800 + identifier + sequence
    total = (total & 0xFFFF) + (total >> 16)
    return _HEADER.pack(8, 0, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF, identifier, sequence)
