"""Frames of neighbours: sent from a namespace, heard in it, and what a namespace has learned of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from causeway_agent.backends.segment import frames
from tests.wired import BOX, VLAN, pings, python, run, within

_SEND = """
    import socket, sys
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((sys.argv[1], 0))
    for text in sys.stdin.read().split():
        sock.send(bytes.fromhex(text))
"""
_ASK = """
    import socket, sys, time
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((sys.argv[1], 0))
    membership = socket.if_nametoindex(sys.argv[1]).to_bytes(4, sys.byteorder) + bytes([2, 0]) + bytes(10)
    sock.setsockopt(263, 1, membership)
    sock.send(bytes.fromhex(sys.argv[2]))
    until = time.monotonic() + float(sys.argv[3])
    while (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            frame, origin = sock.recvfrom(2048)
        except TimeoutError:
            break
        if origin[2] != 4:
            print(frame.hex())
"""
SHARE = 600
"""Places in a table of 1,024 that one machine's doings may take at most."""
_BROADCAST = b"\xff" * 6


def mac_of(space: str, device: str = "host") -> bytes:
    """The MAC address of a device."""
    listed = json.loads(run("ip", "-j", "-n", space, "link", "show", device))
    return bytes.fromhex(listed[0]["address"].replace(":", ""))


def arp(operation: int, mac: bytes, sender: str, target: str) -> bytes:
    """An ARP packet to everyone (RFC 826)."""
    ends = mac + IPv4Address(sender).packed + bytes(6) + IPv4Address(target).packed
    return _BROADCAST + mac + bytes.fromhex(f"0806000108000604{operation:04x}") + ends


def solicitation(mac: bytes, source: str, target: str) -> bytes:
    """A neighbour solicitation to the target's group, with the asker's MAC address unless it is a probe."""
    here, there = IPv6Address(source), IPv6Address(target)
    group = frames.solicited_node(there)
    option = b"" if here.is_unspecified else b"\1\1" + mac
    body = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + there.packed + option
    return icmpv6(mac, b"\x33\x33" + group.packed[-4:], here, group, body)


def icmpv6(mac: bytes, to: bytes, source: IPv6Address, destination: IPv6Address, body: bytes) -> bytes:
    """A frame with this ICMPv6 message, its checksum filled in, that has crossed no router."""
    ends = source.packed + destination.packed
    pseudo = ends + len(body).to_bytes(4, "big") + bytes([0, 0, 0, 58])
    body = body[:2] + frames.checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    header = bytes([0x60, 0, 0, 0]) + len(body).to_bytes(2, "big") + bytes([58, 255]) + ends
    return to + mac + b"\x86\xdd" + header + body


def tagged(frame: bytes, tags: str) -> bytes:
    """The frame with these tags, in hexadecimal (IEEE 802.1Q, 9.6)."""
    return frame[:12] + bytes.fromhex(tags) + frame[12:]


def untagged(frame: bytes) -> bytes:
    """The frame without its tags."""
    while frame[12:14] in {b"\x81\x00", b"\x88\xa8"}:
        frame = frame[:12] + frame[16:]
    return frame


def send(space: str, *listed: bytes, device: str = "host") -> None:
    """Send these frames."""
    script = _SEND.replace("sys.stdin.read().split()", "sys.argv[2:]")
    for start in range(0, len(listed), 500):
        python(space, script, device, *(frame.hex() for frame in listed[start : start + 500]))


def answers(space: str, frame: bytes, *, device: str = "host", seconds: float = 0.4) -> list[bytes]:
    """What arrives within this time after the frame was sent."""
    return [bytes.fromhex(line) for line in python(space, _ASK, device, frame.hex(), str(seconds)).split()]


def claimed(space: str, frame: bytes, *, device: str = "host", seconds: float = 0.4) -> set[str]:
    """Whether the address that the frame asks for, or claims, is claimed in answer to it.

    To its sender or to everybody, and for that address alone: kernels look whether their neighbours are still
    there whenever they like, and are answered.
    """
    asked, mac = _asked(untagged(frame)), frame[6:12]
    heard = [each for each in answers(space, frame, device=device, seconds=seconds) if _to(each, mac)]
    claims = (frames.parse_claim(each) for each in heard)
    return {str(claim.address) for claim in claims if claim is not None and claim.address.packed == asked}


def _to(frame: bytes, mac: bytes) -> bool:
    return frame[:6] == mac or bool(frame[0] & 1)


def _asked(frame: bytes) -> bytes:
    """The address that an ARP packet or a neighbour message is about."""
    return frame[38:42] if frame[12:14] == b"\x08\x06" else frame[62:78]


def learned(space: str, address: str, device: str) -> str | None:
    """The MAC address that the namespace has for a neighbour."""
    found = json.loads(within(space, "ip", "-j", "neigh", "show", address, "dev", device) or "[]")
    return found[0].get("lladdr") if found else None


def neighbours(space: str, version: int) -> int:
    """How many neighbours the namespace looks for or knows."""
    return len(within(space, "ip", f"-{version}", "neigh", "show", "nud", "all").splitlines())


def soon(condition: Callable[[], bool], *, seconds: float = 5) -> bool:
    """Whether it becomes true within this time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


OTHER_MAC = bytes.fromhex("020000009901")
"""Of a machine that was not there before."""


def colon(mac: bytes) -> str:
    """As tools print it."""
    return mac.hex(":")


_SCAN = """
    import ipaddress, socket, sys, time
    source, network, seconds = sys.argv[1], ipaddress.ip_network(sys.argv[2]), float(sys.argv[3])
    sock = socket.socket(socket.AF_INET6 if network.version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    until, sent = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for _ in range(30):
            sock.sendto(b"?", (str(network.network_address + 1024 + sent % 60000), 9))
            sent += 1
        time.sleep(0.01)
    print(sent)
"""
"""About 3,000 addresses a second, each once."""


def scan(space: str, source: str, network: str) -> None:
    """Look for neighbours that nobody has, for 1.5 seconds.

    The kernel has one table for all network namespaces, 1,024 places where nobody has raised it: what an
    earlier scan has left there would be in the way of whoever is asked for next.
    """
    run("ip", "-n", BOX, "neigh", "flush", "nud", "incomplete", "nud", "failed")
    assert int(python(space, _SCAN, source, network, "1.5")) > 1200


def moves(address: str) -> bool:
    """Whether the appliance learns at once that another machine has the address."""
    run("ip", "-n", BOX, "neigh", "flush", "dev", "eth1")
    assert pings(BOX, address, source="eth1")
    assert learned(BOX, address, "eth1") == colon(mac_of(VLAN))
    request, *_ = frames.announcements(ip_address(address), OTHER_MAC)
    send(VLAN, request)
    return soon(lambda: learned(BOX, address, "eth1") == colon(OTHER_MAC), seconds=1)
