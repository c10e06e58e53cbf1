"""What passes a machine's adapter: packets by protocol, addresses and ports, and who carries plain text.

An AF_PACKET socket (packet(7)) inside the machine's namespace; it sees both directions.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from causeway_lab.world import namespaces, probes
from causeway_wire.types import IPAddress

_ETH_P_ALL = 0x0003
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}
_PORTED = frozenset({6, 17})
_HOP_BY_HOP, _FRAGMENT_HEADER = 0, 44
"""IPv6 extension headers (RFC 8200, 4)."""
_NEIGHBOUR_DISCOVERY = range(133, 138)
"""ICMPv6 types of neighbour discovery (RFC 4861)."""
_LISTENER_DISCOVERY = frozenset({130, 131, 132, 143})
"""ICMPv6 types of multicast listener discovery (RFC 3810)."""
_BUFFER = 8 * 1024 * 1024
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_MARK = probes.MARKER.encode()


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets that look alike. Fragments after the first have no ports."""

    protocol: str
    """`tcp`, `udp`, `icmp`, `icmp6`, `arp`, `nd`, `mld` or a number."""
    source: IPAddress | None = None
    destination: IPAddress | None = None
    source_port: int | None = None
    destination_port: int | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        """Both ports, as far as there are any."""
        return tuple(port for port in (self.source_port, self.destination_port) if port is not None)

    @property
    def housekeeping(self) -> bool:
        """Whether it is address or multicast group resolution, which never leaves a segment."""
        return self.protocol in {"arp", "nd", "mld"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """Everything seen; `marked` counts packets with guests' plain text in them, by flow."""

    flows: Mapping[Flow, int]
    marked: Mapping[Flow, int]
    dropped: int
    """Packets the capture itself was too slow for."""

    @property
    def packets(self) -> int:
        """How many there were."""
        return sum(self.flows.values())

    def besides(self, port: int) -> dict[Flow, int]:
        """Packets that neither come from nor go to this port, resolution aside."""
        return {
            flow: count
            for flow, count in self.flows.items()
            if not flow.housekeeping and port not in flow.ports
        }


class Capture:
    """Captures while the `async with` block runs; `result` any time."""

    def __init__(self, machine: str, device: str = "eth0") -> None:
        self._machine = machine
        self._device = device
        self._flows: Counter[Flow] = Counter()
        self._marked: Counter[Flow] = Counter()
        self._dropped = 0
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> Self:
        sock = namespaces.open_socket(
            self._machine, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)
        )
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.bind((self._device, 0))
        asyncio.get_running_loop().add_reader(sock, self._receive)
        self._socket = sock
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._receive()
            asyncio.get_running_loop().remove_reader(self._socket)
            statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            self._dropped += struct.unpack("II", statistics)[1]
            self._socket.close()
            self._socket = None

    @property
    def result(self) -> Captured:
        """What was seen so far; complete once the block has ended."""
        return Captured(flows=dict(self._flows), marked=dict(self._marked), dropped=self._dropped)

    def _receive(self) -> None:
        while self._socket is not None:
            try:
                frame = self._socket.recv(65535)
            except BlockingIOError:
                return
            flow = parse(frame)
            self._flows[flow] += 1
            if _MARK in frame:
                self._marked[flow] += 1


def parse(frame: bytes) -> Flow:
    """The flow an Ethernet frame belongs to."""
    (kind,) = struct.unpack_from("!H", frame, 12)
    packet = frame[14:]
    if kind == _ARP:
        return Flow("arp")
    if kind == _IPV4:
        fragment = struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
        source, destination = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
        body = b"" if fragment else packet[(packet[0] & 0x0F) * 4 :]
        return _flow(packet[9], source, destination, body)
    if kind == _IPV6:
        protocol, body = packet[6], packet[40:]
        if protocol == _HOP_BY_HOP:
            protocol, body = body[0], body[8 * (body[1] + 1) :]
        if protocol == _FRAGMENT_HEADER:
            later = struct.unpack_from("!H", body, 2)[0] & 0xFFF8
            protocol, body = body[0], b"" if later else body[8:]
        return _flow(
            protocol, ipaddress.IPv6Address(packet[8:24]), ipaddress.IPv6Address(packet[24:40]), body
        )
    return Flow(f"ethertype {kind:#06x}")


def _flow(protocol: int, source: IPAddress, destination: IPAddress, body: bytes) -> Flow:
    name = _PROTOCOLS.get(protocol, str(protocol))
    if protocol in _PORTED and len(body) >= 4:  # noqa: PLR2004 - two 16-bit ports
        return Flow(name, source, destination, *struct.unpack_from("!HH", body))
    if name == "icmp6" and body and body[0] in _NEIGHBOUR_DISCOVERY:
        name = "nd"
    if name == "icmp6" and body and body[0] in _LISTENER_DISCOVERY:
        name = "mld"
    return Flow(name, source, destination)
