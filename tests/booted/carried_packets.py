"""Packets as they are on the wires of the machines in a booted appliance: seen, and made.

Only Python's standard library is there.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import time
from collections.abc import Iterator

from benchmarks import offload_world as world

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
"""linux/if_ether.h."""
_ETHERNET = 14
_UDP, _TCP = 17, 6
_SYN, _ACK = 0x02, 0x10
_MSS_OPTION = 2
_WAIT = 0.02


@contextlib.contextmanager
def wire(machine: str, device: str) -> Iterator[socket.socket]:
    """Everything that passes this adapter, whole frames."""
    with world.inside(machine):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with tap:
        tap.bind((device, ETH_P_ALL))
        tap.settimeout(0)
        yield tap


def frames(tap: socket.socket) -> list[bytes]:
    """Those seen until now, in and out."""
    seen = []
    with contextlib.suppress(BlockingIOError):
        while True:
            seen.append(tap.recv(1 << 16))
    return seen


def segments(seen: list[bytes], port: int, *, answer: bool) -> list[int]:
    """The segment sizes that first packets of TCP to this port tell, or answers to them."""
    found = []
    for frame in seen:
        version = {b"\x08\x00": 4, b"\x86\xdd": 6}.get(frame[12:14])
        if version is None:
            continue
        packet = frame[_ETHERNET:]
        head = (packet[0] & 15) * 4 if version == 4 else 40
        if packet[9 if version == 4 else 6] != _TCP:
            continue
        here, there = struct.unpack_from("!2H", packet, head)
        flags = packet[head + 13] & (_SYN | _ACK)
        if (here if answer else there) != port or flags != (_SYN | _ACK if answer else _SYN):
            continue
        options = packet[head + 20 : head + (packet[head + 12] >> 4) * 4]
        while options and options[0]:
            if options[0] == _MSS_OPTION:
                found.append(struct.unpack_from("!H", options, 2)[0])
            options = options[1:] if options[0] == 1 else options[options[1] :]
    return found


def datagram(source: str, to: str, content: bytes) -> bytes:
    """An IP packet with UDP from and to the port that is listened at."""
    ends = ipaddress.ip_address(source), ipaddress.ip_address(to)
    length = 8 + len(content)
    places = ends[0].packed + ends[1].packed
    head = struct.pack("!4H", world.PORT, world.PORT, length, 0)
    summed = _sum(places + struct.pack("!2I", length, _UDP) + head + content) or 0xFFFF
    body = head[:6] + struct.pack("!H", summed) + content
    if ends[0].version == 6:
        return struct.pack("!IHBB", 6 << 28, length, _UDP, 64) + places + body
    first = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, _UDP, 0) + places
    return first[:10] + struct.pack("!H", _sum(first)) + first[12:] + body


def _sum(octets: bytes) -> int:
    """RFC 1071."""
    words: tuple[int, ...] = struct.unpack(f"!{(len(octets) + 1) // 2}H", octets + bytes(len(octets) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send(machine: str, device: str, packet: bytes) -> None:
    """Out of this device as it is: neither routes nor the packet filter of the machine are asked."""
    kind = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6
    with (
        world.inside(machine),
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind)) as out,
    ):
        out.sendto(packet, (device, kind, 0, 0, b""))


@contextlib.contextmanager
def listening(machine: str) -> Iterator[socket.socket]:
    """What comes to the port there, over both IP versions."""
    with world.inside(machine):
        ear = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with ear:
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        ear.bind(("::", world.PORT))
        ear.settimeout(0)
        yield ear


def heard(ear: socket.socket, seconds: float, *, until: bytes | None = None) -> list[bytes]:
    """Contents that came within so many seconds, or before this one did, which is the last."""
    began, found = time.monotonic(), []
    while time.monotonic() - began < seconds:
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(ear.recv(2048))
                if found[-1] == until:
                    return found
        time.sleep(_WAIT)
    return found


def say(machine: str, source: str, to: str, content: bytes) -> None:
    """A datagram from an address of the machine."""
    family = world.FAMILIES[ipaddress.ip_address(to).version]
    with world.inside(machine), socket.socket(family, socket.SOCK_DGRAM) as mouth:
        mouth.bind((source, 0))
        mouth.sendto(content, (to, world.PORT))
