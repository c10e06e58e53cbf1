"""`causeway-agent capture DEVICE`: packets as text or as a file, bounded in time, number and size.

A process of its own: a busy line costs the agent nothing but its share of the processor.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

from causeway_agent.plan.capture import file as capture_file
from causeway_agent.plan.capture import text as capture_text
from causeway_agent.plan.capture.program import LinkLayer

SECONDS, LONGEST_SECONDS = 10.0, 300.0
PACKETS, MOST_PACKETS = 1_000, 100_000
BYTES, MOST_BYTES = 10_000_000, 64_000_000
"""Defaults and upper limits. Octets count as they stand in the file, headers included."""


class Packet(Protocol):
    """A packet, its length on the line in octets, when (nanoseconds since 1970) and which way."""

    @property
    def data(self) -> bytes: ...
    @property
    def length(self) -> int: ...
    @property
    def time(self) -> int: ...
    @property
    def outgoing(self) -> bool: ...


class Source(Protocol):
    """Where packets come from."""

    @property
    def link(self) -> LinkLayer: ...

    def next(self, seconds: float) -> Packet | None:
        """The next packet, or None when none came within the time."""

    def dropped(self) -> int:
        """Packets lost because they came faster than they were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A capture ends at whichever comes first."""

    seconds: float = SECONDS
    packets: int = PACKETS
    octets: int = BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a capture went."""

    packets: int
    octets: int
    dropped: int
    ended: str

    def sentence(self) -> str:
        """For people."""
        lost = f"{self.dropped} lost because they came faster than they were read"
        return f"{self.packets} packets, {self.octets} bytes, {lost}; ended because {self.ended}"


def as_text(source: Source, bounds: Bounds, write: Callable[[str], object]) -> Summary:
    """A line per packet, as they come."""

    def put(packet: Packet) -> None:
        told = capture_text.line(
            source.link, packet.data, time=packet.time, length=packet.length, outgoing=packet.outgoing
        )
        write(told + "\n")

    return _run(source, bounds, put)


def as_json(source: Source, bounds: Bounds, write: Callable[[str], object]) -> Summary:
    """A JSON object in a line per packet, as they come, and one that says how it went.

    `time` is in nanoseconds since 1970, `octets` are those on the line.
    """

    def put(packet: Packet) -> None:
        told = {
            "time": packet.time,
            "way": "out" if packet.outgoing else "in",
            "packet": capture_text.summary(source.link, packet.data),
            "octets": packet.length,
        }
        write(json.dumps(told) + "\n")

    summary = _run(source, bounds, put)
    with contextlib.suppress(BrokenPipeError):
        write(json.dumps(asdict(summary)) + "\n")
    return summary


def as_file(source: Source, bounds: Bounds, write: Callable[[bytes], object]) -> Summary:
    """A pcap file, never longer than the bounds."""
    write(capture_file.header(source.link))

    def put(packet: Packet) -> None:
        write(capture_file.record(packet.data, time=packet.time, length=packet.length))

    return _run(source, bounds, put)


def _run(source: Source, bounds: Bounds, put: Callable[[Packet], None]) -> Summary:
    count, octets, ended = 0, capture_file.HEADER_BYTES, ""
    with contextlib.suppress(KeyboardInterrupt):
        for packet in _until(source, bounds.seconds):
            size = capture_file.RECORD_BYTES + len(packet.data)
            if octets + size > bounds.octets:
                ended = f"it reached {bounds.octets} bytes"
                break
            try:
                put(packet)
            except BrokenPipeError:
                ended = "nobody reads it any more"
                break
            count, octets = count + 1, octets + size
            if count == bounds.packets:
                ended = f"it reached {bounds.packets} packets"
                break
        else:
            ended = f"{bounds.seconds:g} s are over"
    return Summary(
        packets=count, octets=octets, dropped=source.dropped(), ended=ended or "it was interrupted"
    )


def _until(source: Source, seconds: float) -> Iterator[Packet]:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        packet = source.next(left)
        if packet is not None:
            yield packet
