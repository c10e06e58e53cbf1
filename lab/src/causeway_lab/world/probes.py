"""What a guest can try on the network, as coroutines that answer with plain JSON values.

Every probe is bounded by its `patience` in seconds. "No answer" is a result, not an error: the fields say
what came back. Standard library only: many guests start at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import itertools
import json
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

MARKER = "causeway-plaintext-marker"
"""In every payload that guests exchange; whoever sees it on a wire sees an unencrypted packet."""

ECHO_PORT = 7
SSH_PORT = 22
HTTP_PORT = 80

_IPV6_HDRINCL = 36
"""linux/in6.h; not in the socket module."""
_PMTUDISC_PROBE = 3
"""IP_PMTUDISC_PROBE: set DF, ignore what path MTU is remembered (ip(7)); the same value for IPv6."""
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
"""asm-generic/socket.h; not in the socket module."""
_BUFFER = 4 * 1024 * 1024
"""Octets: every echo of a second, should a line that paused deliver them all at once."""
_V4 = 4
_ECHO = {4: (8, 0), 6: (128, 129)}
"""Type numbers of echo request and reply (RFC 792, RFC 4443)."""

_T = TypeVar("_T")
Result = dict[str, Any]
Report = Callable[[Result], None]


async def ping(
    *, address: str, count: int = 1, size: int = 56, df: bool = False, patience: float = 1.0, tries: int = 1
) -> Result:
    """ICMP echo, one request at a time; `size` is the payload's, `df` forbids fragments.

    A request that is not answered is repeated: `tries` share the patience.
    """
    version = ipaddress.ip_address(address).version
    loop = asyncio.get_running_loop()
    identifier = int.from_bytes(os.urandom(2), "big")
    times: list[float] = []
    error = None
    with _icmp(version, df=df) as sock:
        for sequence in range(count):
            started = time.monotonic()
            try:
                request = _echo_request(version, identifier, sequence, size)
                await _asked(
                    functools.partial(loop.sock_sendto, sock, request, (address, 0)),
                    functools.partial(_receive_echo, sock, version, identifier, sequence),
                    patience=patience,
                    tries=tries,
                )
            except TimeoutError:
                continue
            except OSError as failure:
                error = failure.strerror
                continue
            times.append((time.monotonic() - started) * 1000)
    return {"sent": count, "received": len(times), "milliseconds": times, "error": error}


async def _asked(
    ask: Callable[[], Awaitable[object]], answer: Callable[[], Awaitable[_T]], *, patience: float, tries: int
) -> _T:
    """The answer; asked again each time that a part of the patience is over. Raises TimeoutError."""
    for attempt in range(tries):
        await ask()
        try:
            async with asyncio.timeout(patience / tries):
                return await answer()
        except TimeoutError:
            if attempt == tries - 1:
                raise
    raise TimeoutError


def _icmp(version: int, *, df: bool) -> socket.socket:
    if version == _V4:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        if df:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
    else:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        if df:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
    sock.setblocking(False)  # noqa: FBT003 - positional only
    return sock


def _echo_request(version: int, identifier: int, sequence: int, size: int) -> bytes:
    payload = (MARKER.encode() * (size // len(MARKER) + 1))[:size]
    header = struct.pack("!BBHHH", _ECHO[version][0], 0, 0, identifier, sequence)
    if version == _V4:  # the kernel computes ICMPv6 checksums itself (RFC 3542, 3.1)
        checksum = _checksum(header + payload)
        header = struct.pack("!BBHHH", _ECHO[version][0], 0, checksum, identifier, sequence)
    return header + payload


async def _receive_echo(sock: socket.socket, version: int, identifier: int, sequence: int) -> None:
    while True:
        data, _ = await asyncio.get_running_loop().sock_recvfrom(sock, 65535)
        body = data[(data[0] & 0x0F) * 4 :] if version == _V4 else data
        kind, _, _, seen_identifier, seen_sequence = struct.unpack_from("!BBHHH", body)
        if (kind, seen_identifier, seen_sequence) == (_ECHO[version][1], identifier, sequence):
            return


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


async def http(*, address: str, port: int = HTTP_PORT, patience: float = 2.0) -> Result:
    """GET / from a guest; `host` and `client` are what it says about itself and about us."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(address, port)
            with contextlib.closing(writer):
                writer.write(f"GET / HTTP/1.1\r\nHost: guest\r\nX-Marker: {MARKER}\r\n\r\n".encode())
                answer = await reader.read()
    except (OSError, TimeoutError) as failure:
        return {"status": None, "error": _name(failure)}
    head, _, body = answer.partition(b"\r\n\r\n")
    return {
        "status": int(head.split()[1]),
        "milliseconds": (time.monotonic() - started) * 1000,
        **json.loads(body),
    }


async def udp(
    *, address: str, size: int = 64, port: int = ECHO_PORT, patience: float = 1.0, tries: int = 1
) -> Result:
    """One datagram of this size to a UDP echo service and back; repeated as in `ping`."""
    payload = (os.urandom(4).hex() + MARKER * (size // len(MARKER) + 1)).encode()[:size]
    started = time.monotonic()
    with _datagram(address) as sock:
        try:
            sock.connect((address, port))
            loop = asyncio.get_running_loop()
            answer = await _asked(
                functools.partial(loop.sock_sendall, sock, payload),
                functools.partial(loop.sock_recv, sock, 65535),
                patience=patience,
                tries=tries,
            )
        except (OSError, TimeoutError) as failure:
            return {"answered": False, "error": _name(failure)}
    return {"answered": answer == payload, "milliseconds": (time.monotonic() - started) * 1000}


async def tcp(*, address: str, size: int = 64, patience: float = 5.0) -> Result:
    """So many bytes to the TCP echo port and back."""
    payload = (MARKER * (size // len(MARKER) + 1)).encode()[:size]
    started = time.monotonic()
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(address, ECHO_PORT)
            with contextlib.closing(writer):
                _, answer = await asyncio.gather(_send(writer, payload), reader.readexactly(size))
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as failure:
        return {"answered": False, "error": _name(failure)}
    return {"answered": answer == payload, "milliseconds": (time.monotonic() - started) * 1000}


async def _send(writer: asyncio.StreamWriter, payload: bytes) -> None:
    writer.write(payload)
    await writer.drain()


async def connect(*, address: str, port: int, patience: float = 1.0) -> Result:
    """Whether a TCP port is `open`, `refused`, `unreachable` or silent (`timeout`)."""
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError) as failure:
        return {"state": _name(failure)}
    writer.close()
    return {"state": "open"}


def _name(failure: BaseException) -> str:
    match failure:
        case TimeoutError():
            return "timeout"
        case ConnectionRefusedError():
            return "refused"
        case OSError(strerror=str(reason)) if reason:
            return f"unreachable: {reason}"
        case _:
            return type(failure).__name__


async def spoof(*, source: str, address: str, port: int = ECHO_PORT, count: int = 3) -> Result:
    """Datagrams with a forged source address, sent as they are; an answer is not waited for."""
    version = ipaddress.ip_address(address).version
    family = socket.AF_INET if version == _V4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        if version != _V4:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        try:
            for _ in range(count):
                sock.sendto(_forged(version, source, address, port), (address, 0))
        except OSError as failure:
            return {"sent": False, "error": failure.strerror}
    return {"sent": True}


def _forged(version: int, source: str, address: str, port: int) -> bytes:
    src, dst = ipaddress.ip_address(source).packed, ipaddress.ip_address(address).packed
    payload = MARKER.encode()
    length = 8 + len(payload)
    pseudo = src + dst + struct.pack("!II", length, socket.IPPROTO_UDP)
    blank = struct.pack("!HHHH", 40000, port, length, 0)
    datagram = struct.pack("!HHHH", 40000, port, length, _checksum(pseudo + blank + payload)) + payload
    if version == _V4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + src + dst + datagram
    return struct.pack("!IHBB", 6 << 28, length, 17, 64) + src + dst + datagram


async def watch(
    *,
    address: str,
    report: Report,
    seconds: float,
    port: int = ECHO_PORT,
    interval: float = 0.002,
    patience: float = 0.5,
) -> Result:
    """A UDP echo each `interval`, until `seconds` are over or the task is cancelled.

    Then answers under way are waited for, `patience` seconds at most: they are not lost.

    Tells the first answer at once. Times are CLOCK_MONOTONIC, which all processes of a host share.
    The longest gap counts from answer to answer, and from the last answer to the end.
    """
    loop = asyncio.get_running_loop()
    answers: list[float] = []
    answered = asyncio.Event()
    sent = 0
    with _datagram(address) as sock:
        sock.connect((address, port))

        def receive() -> None:
            with contextlib.suppress(OSError):  # an ICMP error for an earlier datagram
                while sock.recv(2048):
                    answers.append(time.monotonic())
                    answered.set()
                    if len(answers) == 1:
                        report({"event": "first", "at": answers[0]})

        loop.add_reader(sock, receive)
        started = time.monotonic()
        end = started + seconds
        try:
            while (now := time.monotonic()) < end:
                with contextlib.suppress(OSError):
                    sock.send(MARKER.encode())
                sent += 1
                await asyncio.sleep(max(0.0, started + sent * interval - now))
        except asyncio.CancelledError:
            end = time.monotonic()
        over = time.monotonic() + patience
        try:
            while len(answers) < sent and (left := over - time.monotonic()) > 0:
                answered.clear()
                # Not `asyncio.timeout`: in a task that was cancelled before, its end looks like that (3.11).
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(answered.wait(), left)
        finally:
            loop.remove_reader(sock)
    return _watched(sent, answers, started, end)


async def hold(
    *, address: str, report: Report, port: int, seconds: float, interval: float = 0.02, patience: float = 2.0
) -> Result:
    """One TCP connection to an echo service, a message each `interval`; the result is `watch`'s.

    Ends early when the connection does: refused, reset, or not opened within `patience`.
    """
    answers: list[float] = []
    sent = 0
    started = time.monotonic()
    end = started + seconds
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return _watched(sent, answers, started, time.monotonic())
    receiving = asyncio.create_task(_receive_echoes(reader, answers, report))
    try:
        while time.monotonic() < end and not receiving.done():
            writer.write(MARKER.encode())
            sent += 1
            await asyncio.sleep(interval)
    except asyncio.CancelledError:
        end = time.monotonic()
    finally:
        receiving.cancel()
        writer.transport.abort()
    return _watched(sent, answers, started, min(end, time.monotonic()))


async def _receive_echoes(reader: asyncio.StreamReader, answers: list[float], report: Report) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(2048):
            answers.append(time.monotonic())
            if len(answers) == 1:
                report({"event": "first", "at": answers[0]})


def _watched(sent: int, answers: list[float], started: float, end: float) -> Result:
    marks = [*answers, max(end, *answers)] if answers else []
    gaps = [later - earlier for earlier, later in itertools.pairwise(marks)]
    longest = max(gaps, default=None)
    return {
        "sent": sent,
        "received": len(answers),
        "started": started,
        "first": answers[0] if answers else None,
        "last": answers[-1] if answers else None,
        "longest_gap": longest,
        "gap_at": answers[gaps.index(longest)] if longest is not None else None,
    }


def roomy(sock: socket.socket) -> None:
    """Give the socket buffers in which nothing that the network delivered is lost; needs root there."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)


def _datagram(address: str) -> socket.socket:
    family = socket.AF_INET if ipaddress.ip_address(address).version == _V4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_DGRAM)
    roomy(sock)
    sock.setblocking(False)  # noqa: FBT003 - positional only
    return sock
