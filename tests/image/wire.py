"""The far end of the machine's second adapter: whole frames, one in a datagram (QEMU's -netdev socket)."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from image.subject import Subject

TAG, ARP = 0x8100, 0x0806  # IEEE 802.1Q, RFC 826
BROADCAST = b"\xff" * 6
OWN_MAC = bytes.fromhex("0200000000aa")
_REQUEST, _REPLY = 1, 2


@dataclass(frozen=True, slots=True)
class Arp:
    """An ARP packet as it was on the wire."""

    vlan: int | None
    """None: the frame had no tag."""
    sender: IPv4Address
    mac: bytes
    answer: bool
    """Whether it is a reply to us and to nobody else."""


class Wire:
    """Says and hears frames."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def ask(self, target: IPv4Address, source: IPv4Address, *, vlan: int | None) -> None:
        """Broadcast a request for the owner of `target`."""
        tag = b"" if vlan is None else struct.pack("!HH", TAG, vlan)
        body = struct.pack(
            "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, _REQUEST, OWN_MAC, source.packed, bytes(6), target.packed
        )
        self._end.send((BROADCAST + OWN_MAC + tag + struct.pack("!H", ARP) + body).ljust(60, b"\0"))

    def hear(self, seconds: float) -> Iterator[Arp]:
        """Every ARP packet that arrives within this time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._end.settimeout(left)
            with contextlib.suppress(TimeoutError):
                heard = parse(self._end.recv(65536))
                if heard is not None:
                    yield heard

    def forget(self) -> None:
        """Drop what arrived before."""
        self._end.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while self._end.recv(65536):
                pass


@contextlib.contextmanager
def plugged(machine: Subject) -> Iterator[Wire]:
    """The wire while somebody holds its far end."""
    with socket.socket(type=socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", machine.trunk_host_port))
        end.connect(("127.0.0.1", machine.trunk_machine_port))
        yield Wire(end)


def parse(frame: bytes) -> Arp | None:
    """The ARP packet in this frame, if it is one."""
    kind, at, vlan = int.from_bytes(frame[12:14]), 14, None
    if kind == TAG:
        vlan, kind, at = int.from_bytes(frame[14:16]) & 0xFFF, int.from_bytes(frame[16:18]), 18
    if kind != ARP or len(frame) < at + 28:
        return None
    operation, mac, sender = struct.unpack_from("!H6s4s", frame, at + 6)
    answer = operation == _REPLY and frame[:6] == OWN_MAC
    return Arp(vlan, IPv4Address(sender), mac, answer)
