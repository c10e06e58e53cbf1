"""Is the far end of a tunnel there? Asked five times a second: by ICMP echo (RFC 792, RFC 4443) to its
inner address, or, where a tunnel carries frames and has no addresses, by frames that its loop guard answers.

What silence means is `plan.steer.silence`'s decision. A question says whether the tunnel it goes through
carries the traffic or is tried beside the one that does, so that the far end knows where to answer
production.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol, Self

from causeway_agent.backends.host import arrival, device_counters
from causeway_agent.backends.host.proc_file import ProcFile
from causeway_agent.backends.segment import guard_frames, packet_socket
from causeway_agent.backends.segment.guard_frames import Frame, Kind
from causeway_agent.engine.signal import Signal
from causeway_agent.plan.model.processes import FrameProbe
from causeway_agent.plan.steer import silence
from causeway_agent.plan.steer.silence import Counted, Pulse, Verdict
from causeway_wire.types import IPAddress

TRIAL = b"trial"
"""What a question carries through a tunnel that is tried beside the one in use; others carry nothing."""

_HEADER = struct.Struct("!BBHHH")
_RAW_LEVEL, _ICMP_FILTER = 255, 1  # SOL_RAW and ICMP_FILTER, linux/icmp.h
_ICMP6_FILTER = 1  # linux/icmpv6.h


class Exchange(Protocol):
    """Questions and answers on one socket."""

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Where answers arrive; not blocking."""

    @property
    def settling(self) -> float:
        """Seconds a new tunnel gets until its first answer."""

    def ask(self, sequence: int, *, trial: bool) -> None:
        """Send a question; raises OSError when it is not taken."""

    def close(self) -> None:
        """Close what was opened."""

    def answer(self, packet: bytes) -> int | None:
        """The sequence number of the answer that this is, None when it is none."""


def probe(
    device: str, ends: tuple[IPAddress, IPAddress] | FrameProbe, *, back: str | None = None
) -> Liveness:
    """What probes the far end of the tunnel on this device. With `back` it is on trial beside the tunnel on
    that device, through which answers may come meanwhile.
    """
    if isinstance(ends, FrameProbe):
        return Liveness(device, lambda: FrameEcho(device), trial=back is not None)
    return Liveness(device, lambda: IcmpEcho(device, *ends, back=back), trial=back is not None)


class Liveness:
    """Probes one peer through one tun device. A context manager; raises OSError where it cannot probe."""

    def __init__(self, device: str, exchange: Callable[[], Exchange], *, trial: bool = False) -> None:
        self._device = device
        self._open = exchange
        self._trial = trial
        self._sequence = 0
        self._pulse = Pulse(time.monotonic())
        self._news = Signal()
        self._timer: asyncio.TimerHandle | None = None
        self.verdict = Verdict.ALIVE

    def __enter__(self) -> Self:
        self._counters = ProcFile(device_counters.FILE)
        try:
            self._exchange = self._open()
        except OSError:
            self._counters.close()
            raise
        self._pulse = Pulse(time.monotonic(), settling=self._exchange.settling)
        for sock in self._exchange.sockets:
            arrival.note(sock)
            asyncio.get_running_loop().add_reader(sock, self._hear, sock)
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._exchange.sockets:
            asyncio.get_running_loop().remove_reader(sock)
        self._exchange.close()
        self._counters.close()

    @property
    def answered(self) -> bool:
        """Whether the far end answered at all."""
        return self._pulse.answered

    async def run(self) -> None:
        """Ask and judge until cancelled. Timers instead of a loop that sleeps: this is what an idle appliance
        does all day.
        """
        self._tick()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _tick(self) -> None:
        now = time.monotonic()
        self._conclude(self._pulse.beat(now, self._counted() if self._pulse.silent else None))
        self._probe(now)
        self._wait(now)

    def _wait(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._pulse.next_tick(now), self._tick)

    async def becomes(self, *wanted: Verdict) -> None:
        """Return when the verdict is one of these; `run` must be running."""
        while self.verdict not in wanted:
            await self._news.wait()

    async def first_answer(self) -> None:
        """Return when the far end has answered; `run` must be running."""
        while not self.answered:
            await self._news.wait()

    def _conclude(self, verdict: Verdict) -> None:
        if verdict is not self.verdict:
            self.verdict = verdict
            self._news.send()

    def _probe(self, now: float) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._pulse.ask(self._sequence, now)
        try:
            self._exchange.ask(self._sequence, trial=self._trial)
        except OSError:  # a refused packet (no route yet, device going down) is an unanswered one
            return

    def _hear(self, sock: socket.socket) -> None:
        """Take one packet; the loop calls again while there are more."""
        try:
            packet, when = arrival.receive(sock)
        except OSError:  # an ICMP error about a probe: silence, which `beat` judges
            return
        sequence = self._exchange.answer(packet)
        if sequence is None:
            return
        first = not self.answered
        self._pulse.hear(sequence, when)
        if first:
            self._news.send()
        self._conclude(Verdict.ALIVE)
        self._wait(time.monotonic())

    def _counted(self) -> Counted | None:
        """What the device has counted; None when it is not there."""
        found = device_counters.of(self._counters.read(), self._device)
        return None if found is None else Counted(found.received, found.sent, found.dropped)


class IcmpEcho:
    """Echo requests to the far end's inner address. Raises OSError when the socket cannot be made.

    On trial the far end's kernel may answer through the tunnel that carries the traffic: that is heard too.
    """

    settling = silence.SETTLING

    def __init__(self, device: str, local: IPAddress, peer: IPAddress, *, back: str | None = None) -> None:
        asking = _open(device.encode(), local, peer)
        try:
            self.sockets = (asking,) if back is None else (asking, _open(back.encode(), local, peer))
        except OSError:
            asking.close()
            raise
        self._version = peer.version
        self._identifier = int.from_bytes(os.urandom(2), "big")
        """Of this tunnel: others of this appliance may ask the same address."""

    def ask(self, sequence: int, *, trial: bool) -> None:
        self.sockets[0].send(_request(self._version, self._identifier, sequence, TRIAL if trial else b""))

    def answer(self, packet: bytes) -> int | None:
        offset = 20 if self._version == 4 else 0  # noqa: PLR2004 - a raw IPv4 socket shows the header
        if len(packet) < offset + _HEADER.size:
            return None
        kind, _, _, identifier, sequence = _HEADER.unpack_from(packet, offset)
        return sequence if kind in (0, 129) and identifier == self._identifier else None

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


class FrameEcho:
    """Frames through a tap. Raises OSError when the socket cannot be made.

    They are answered by the far agent, not by its kernel: a tunnel that outlives that agent is left alone,
    and its death is told by the octets that no longer come (`openvpn_leg.STARVED`).
    """

    settling = math.inf

    def __init__(self, device: str) -> None:
        self.sockets = (packet_socket.open_frames_to(device, guard_frames.ETHERTYPE, guard_frames.NEAREST),)
        self._own = os.urandom(guard_frames.NUMBER_OCTETS)

    def ask(self, sequence: int, *, trial: bool) -> None:  # noqa: ARG002 - bridges learn the way by themselves
        frame = Frame(Kind.ECHO, self._own, sequence)
        self.sockets[0].send(guard_frames.build(frame, packet_socket.mac_of(self.sockets[0])))

    def answer(self, packet: bytes) -> int | None:
        frame = guard_frames.parse(packet)
        return (
            frame.sequence
            if frame is not None and (frame.kind, frame.number) == (Kind.REPLY, self._own)
            else None
        )

    def close(self) -> None:
        self.sockets[0].close()


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


def _request(version: int, identifier: int, sequence: int, data: bytes) -> bytes:
    """An echo request; for ICMPv6 the kernel fills the checksum in (RFC 3542, 3.1)."""
    if version == 6:  # noqa: PLR2004
        return _HEADER.pack(128, 0, 0, identifier, sequence) + data
    total = 0x0800 + identifier + sequence
    if data:
        words = data.ljust(len(data) + len(data) % 2, b"\0")
        total += sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return _HEADER.pack(8, 0, ~total & 0xFFFF, identifier, sequence) + data
