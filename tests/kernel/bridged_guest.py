"""What guests of the bridged lab say and hear on their adapter, in frames.

    python -m tests.kernel.bridged_guest hear ETHERTYPE SECONDS     (prints "ready", then what it heard)
    python -m tests.kernel.bridged_guest hear ETHERTYPE on          (until its input ends, and a bit longer)
    python -m tests.kernel.bridged_guest hear any SECONDS           (what a `say` said, whatever tags it has)
    python -m tests.kernel.bridged_guest say ETHERTYPE COUNT TO [FROM]    (of more octets: with tags)
    python -m tests.kernel.bridged_guest crowd ETHERTYPE COUNT TO         (each from another address)
    python -m tests.kernel.bridged_guest talk ADDRESS SECONDS       (one way, whoever listens)
    python -m tests.kernel.bridged_guest flood ADDRESS SECONDS      (as fast as it can, whoever listens)
    python -m tests.kernel.bridged_guest lease SECONDS              (a DHCP server; prints "ready" first)
    python -m tests.kernel.bridged_guest ask SECONDS                (a DHCP client)

Every answer is a line of JSON.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time
from typing import TextIO

DEVICE = "eth0"
LEASED = "10.1.0.77"
_EVERY_PROTOCOL = 3
_PACKET_OUTGOING = 4
_TTL = 14 + 8
_FILL = b"x" * 20
_STILL_UNDERWAY = 0.4
"""Seconds that a frame may take from one site to the other."""
_BOOTP = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
_COOKIE = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER = 1, 2
_SERVER_PORT, _CLIENT_PORT = 67, 68


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _frames() -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL))
    sock.bind((DEVICE, _EVERY_PROTOCOL))
    return sock


def hear(ethertype: str, seconds: float | None) -> None:
    wanted = (
        (lambda data: _FILL in data) if ethertype == "any" else (lambda data: data[12:14].hex() == ethertype)
    )
    found: list[bytes] = []
    with _frames() as sock:
        _say("ready")
        until = float("inf") if seconds is None else time.monotonic() + seconds
        ears: list[socket.socket | TextIO] = [sock] if seconds is not None else [sock, sys.stdin]
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select(ears, [], [], left if until < float("inf") else None)
            if sys.stdin in ready:
                ears, until = [sock], time.monotonic() + _STILL_UNDERWAY
            if sock in ready:
                data, sender = sock.recvfrom(2048)
                if sender[2] != _PACKET_OUTGOING and wanted(data):
                    found.append(data)
    ttls = {data[_TTL] for data in found} if ethertype == "0800" else set()
    _say({"frames": len(found), "from": sorted({d[6:12].hex(":") for d in found}), "ttls": sorted(ttls)})


def say(ethertype: str, count: int, to: str, source: str | None) -> None:
    with _frames() as sock:
        own = sock.getsockname()[4] if source is None else bytes.fromhex(source.replace(":", ""))
        frame = bytes.fromhex(to.replace(":", "")) + own + bytes.fromhex(ethertype)
        for _ in range(count):
            sock.send(frame.ljust(60, b"x"))
    _say({"said": count})


def crowd(ethertype: str, count: int, to: str) -> None:
    """Speak under so many addresses; those of one process are never those of another."""
    rest = (bytes.fromhex(ethertype)).ljust(48, b"x")
    head, tail = bytes.fromhex(to.replace(":", "")), os.getpid() & 0xFF
    with _frames() as sock:
        for number in range(count):
            sock.send(head + bytes((2, 0xEE)) + (number << 8 | tail).to_bytes(4, "big") + rest)
    _say({"said": count})


def talk(address: str, seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        until, said = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            sock.sendto(b"x", (address, 9))
            said += 1
            time.sleep(0.02)
    _say({"said": said})


def flood(address: str, seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        until, said = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            for _ in range(100):
                with contextlib.suppress(OSError):  # a buffer is full
                    said += sock.sendto(bytes(64), (address, 9)) > 0
    _say({"said": said})


def lease(seconds: float) -> None:
    """Answer one DISCOVER (RFC 2131) with an OFFER, by broadcast."""
    with _dhcp(_SERVER_PORT, seconds) as sock:
        _say("ready")
        asked = sock.recv(1500)
        fields = list(_BOOTP.unpack_from(asked))
        fields[0], fields[8] = 2, ipaddress.ip_address(LEASED).packed
        sock.sendto(_BOOTP.pack(*fields) + bytes((53, 1, _OFFER, 255)), ("255.255.255.255", _CLIENT_PORT))
    _say({"asked by": fields[11][:6].hex(":")})


def ask(seconds: float) -> None:
    """Send a DISCOVER by broadcast until an OFFER comes."""
    with _dhcp(_CLIENT_PORT, 0.3) as sock, _frames() as frames:
        mac: bytes = frames.getsockname()[4]
        none = bytes(4)
        request = _BOOTP.pack(
            1, 1, 6, 0, 4711, 0, 0x8000, none, none, none, none, mac, b"", b"", _COOKIE
        ) + bytes((53, 1, _DISCOVER, 255))
        until = time.monotonic() + seconds
        offered = None
        while offered is None and time.monotonic() < until:
            sock.sendto(request, ("255.255.255.255", _SERVER_PORT))
            with contextlib.suppress(TimeoutError):
                offered = str(ipaddress.ip_address(_BOOTP.unpack_from(sock.recv(1500))[8]))
    _say({"offered": offered})


def _dhcp(port: int, seconds: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE.encode())
    sock.bind(("", port))
    sock.settimeout(seconds)
    return sock


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["hear", ethertype, seconds]:
            hear(ethertype, None if seconds == "on" else float(seconds))
        case ["say", ethertype, count, to, *source]:
            say(ethertype, int(count), to, source[0] if source else None)
        case ["crowd", ethertype, count, to]:
            crowd(ethertype, int(count), to)
        case ["talk", address, seconds]:
            talk(address, float(seconds))
        case ["flood", address, seconds]:
            flood(address, float(seconds))
        case ["lease", seconds]:
            lease(float(seconds))
        case ["ask", seconds]:
            ask(float(seconds))
        case _:
            sys.exit(__doc__)
