"""What an operating system says when its network starts: gratuitous ARP and unsolicited advertisements.

Without it, neighbours would go on sending to whoever had the address before, for as long as their caches hold
(RFC 5227, 3; RFC 4861, 7.2.6). The kernel's own arp_notify speaks before a bridge port forwards.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct

_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_ALL_NODES = "ff02::1"
_ADVERTISEMENT = 136
_OVERRIDE = 0x2000_0000
_TARGET_LINK_LAYER_ADDRESS = 2
_HOP_LIMIT = 255
"""Anything less is ignored by receivers (RFC 4861, 7.1.2)."""


def announce(device: str, addresses: list[str]) -> None:
    """Tell the segment that these addresses are here; a device that is down is no reason to fail."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as sock:
        sock.bind((device, _ARP))
        mac: bytes = sock.getsockname()[4]
        for address in map(ipaddress.ip_address, addresses):
            with contextlib.suppress(OSError):
                if isinstance(address, ipaddress.IPv4Address):
                    sock.send(_gratuitous(mac, address))
                else:
                    _advertise(device, mac, address)


def _gratuitous(mac: bytes, address: ipaddress.IPv4Address) -> bytes:
    """An ARP announcement (RFC 826, RFC 5227): Ethernet, IPv4, request, sender and target are the same."""
    header = _BROADCAST + mac + struct.pack("!HHHBBH", _ARP, 1, 0x0800, 6, 4, 1)
    return header + mac + address.packed + bytes(6) + address.packed


def _advertise(device: str, mac: bytes, address: ipaddress.IPv6Address) -> None:
    """An unsolicited neighbour advertisement to all nodes; the kernel computes the checksum."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(device))
        sock.bind((str(address), 0))
        option = struct.pack("!BB", _TARGET_LINK_LAYER_ADDRESS, 1) + mac
        message = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + address.packed + option
        sock.sendto(message, (_ALL_NODES, 0))
