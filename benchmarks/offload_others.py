"""Tunnels of the kernel that are not OpenVPN's, on the path of `offload_world`: WireGuard, and ESP in UDP.

Nothing that carries people's packets: what the best of them costs is what a tunnel in this kernel can cost
(docs/adr/0046-offload-is-measured-first.md). Both go through the relay, as OpenVPN does. ESP is policies
without a device of their own, and could not keep networks of equal prefixes apart. Nothing but Python's
standard library is there.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.offload_world import BEHIND, NEAR, choose_by_device, forget_choices, inside, ip

DEVICE = "wg0"
_SERVER_PORT, _RELAY, _CLIENT_PORT = 1194, ("203.0.113.10", 6180), 4500
_UDP_ENCAP, _ESP_IN_UDP = 100, 2
"""linux/udp.h."""
_SPI = {"tapp": "0x1001", "sapp": "0x1002"}
"""Of what goes to this end."""
_GENERIC, _CONTROL = 16, 16
_REQUEST, _ACKNOWLEDGE, _ERROR, _NESTED = 1, 4, 2, 0x8000
"""linux/netlink.h, linux/genetlink.h; below, uapi/linux/wireguard.h."""
_GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_SET_DEVICE, _NAME, _PRIVATE, _PORT, _PEERS = 1, 2, 3, 6, 8
_PUBLIC, _ENDPOINT, _KEEPALIVE, _ALLOWED = 1, 4, 5, 9
_FAMILY, _ADDRESS, _LENGTH = 1, 2, 3


class Keys(NamedTuple):
    """Of one end."""

    private: bytes
    peer: bytes
    """The other end's public one."""


@contextlib.contextmanager
def wireguard(keys: dict[str, Keys]) -> Iterator[None]:
    """The tunnel while the block runs; keys by machine."""
    for machine in ("sapp", "tapp"):
        ip(machine, "link", "add", DEVICE, "mtu", "1500", "type", "wireguard")
        with inside(machine):
            _configure(keys[machine], client=machine == "tapp")
        ip(machine, "link", "set", DEVICE, "up")
    for version in (4, 6):
        ip("tapp", f"-{version}", "route", "add", BEHIND[version], "dev", DEVICE)
        choose_by_device(version, DEVICE, ("dev", DEVICE))
    yield
    forget_choices()
    for machine in ("sapp", "tapp"):
        ip(machine, "link", "del", DEVICE)


def _configure(keys: Keys, *, client: bool) -> None:
    """Give this namespace's device keys, port and peer (`WG_CMD_SET_DEVICE`)."""
    anybody = b"".join(
        _attribute(
            _NESTED,
            _attribute(_FAMILY, struct.pack("=H", family))
            + _attribute(_ADDRESS, bytes(octets))
            + _attribute(_LENGTH, b"\0"),
        )
        for family, octets in ((socket.AF_INET, 4), (socket.AF_INET6, 16))
    )
    peer = _attribute(_PUBLIC, keys.peer) + _attribute(_NESTED | _ALLOWED, anybody)
    if client:
        address, port = _RELAY
        peer += _attribute(
            _ENDPOINT,
            struct.pack("=H", socket.AF_INET)
            + struct.pack("!H", port)
            + socket.inet_aton(address)
            + bytes(8),
        )
        peer += _attribute(_KEEPALIVE, struct.pack("=H", 10))
    port = _CLIENT_PORT if client else _SERVER_PORT
    device = _attribute(_NAME, DEVICE.encode() + b"\0") + _attribute(_PRIVATE, keys.private)
    device += _attribute(_PORT, struct.pack("=H", port))
    device += _attribute(_NESTED | _PEERS, _attribute(_NESTED, peer))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC) as asking:
        found = _asked(asking, _CONTROL, _GET_FAMILY, _attribute(_FAMILY_NAME, b"wireguard\0"))
        _asked(asking, _number(found), _SET_DEVICE, device)


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def _number(answer: bytes) -> int:
    """The family's, from the answer to a question for its name."""
    rest = answer[20:]
    while rest:
        length, kind = struct.unpack_from("=HH", rest)
        if kind == _FAMILY_ID:
            return int(struct.unpack_from("=H", rest, 4)[0])
        rest = rest[(length + 3) & ~3 :]
    raise RuntimeError("the kernel has no WireGuard")


def _asked(asking: socket.socket, family: int, command: int, content: bytes) -> bytes:
    """The first answer to a request, which is an acknowledgement where nothing else is; raises OSError."""
    length = 20 + len(content)
    flags = _REQUEST | (_ACKNOWLEDGE if command == _SET_DEVICE else 0)
    head = struct.pack("=IHHII", length, family, flags, 1, 0) + struct.pack("=BBH", command, 1, 0)
    asking.send(head + content)
    answer = asking.recv(1 << 16)
    kind, failed = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=i", answer, 16)[0]
    if kind == _ERROR and failed:
        raise OSError(-failed, f"generic netlink: {os.strerror(-failed)}")
    return answer


@contextlib.contextmanager
def esp() -> Iterator[None]:
    """ESP in UDP with AES-256-GCM, in tunnel mode, while the block runs."""
    ends = {"tapp": ("203.0.113.2", _CLIENT_PORT), "sapp": ("10.10.0.20", _SERVER_PORT)}
    # What each end sees as the other one: the relay.
    sees = {"tapp": _RELAY, "sapp": ("10.10.0.5", _CLIENT_PORT)}
    keys = {machine: f"0x{os.urandom(36).hex()}" for machine in ends}
    holding = []
    for machine, (address, port) in ends.items():
        with inside(machine):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((address, port))
        one.setsockopt(socket.IPPROTO_UDP, _UDP_ENCAP, _ESP_IN_UDP)
        holding.append(one)
        other = "sapp" if machine == "tapp" else "tapp"
        _state(machine, (sees[machine], ends[machine]), _SPI[machine], keys[machine])
        _state(machine, (ends[machine], sees[machine]), _SPI[other], keys[other])
        for version in (4, 6):
            _policies(machine, version, address, sees[machine][0])
    ways = {"tapp": (BEHIND, _RELAY[0], "wan"), "sapp": (NEAR, "10.10.0.5", "upl")}
    for machine, (to, via, device) in ways.items():
        # The policies say where packets go; a route only has to be there.
        ip(machine, "-4", "route", "add", to[4], "via", via)
        ip(machine, "-6", "route", "add", to[6], "dev", device)
    yield
    for machine, (to, _, _) in ways.items():
        for version in (4, 6):
            ip(machine, f"-{version}", "route", "del", to[version])
        ip(machine, "xfrm", "policy", "flush")
        ip(machine, "xfrm", "state", "flush")
    for one in holding:
        one.close()


def _state(machine: str, ways: tuple[tuple[str, int], tuple[str, int]], spi: str, key: str) -> None:
    (source, source_port), (to, port) = ways
    words = ("src", source, "dst", to, "proto", "esp", "spi", spi, "mode", "tunnel", "reqid", "1")
    cipher = ("replay-window", "32", "flag", "af-unspec", "aead", "rfc4106(gcm(aes))", key, "128")
    encap = ("encap", "espinudp", str(source_port), str(port), "0.0.0.0")  # noqa: S104 - none
    ip(machine, "xfrm", "state", "add", *words, *cipher, *encap)


def _policies(machine: str, version: int, here: str, there: str) -> None:
    """What goes to the other end's networks, and what may come from them."""
    near, far = NEAR[version], BEHIND[version]
    ours, theirs = (near, far) if machine == "tapp" else (far, near)
    for direction, (source, to), (outer, end) in (
        ("out", (ours, theirs), (here, there)),
        ("fwd", (theirs, ours), (there, here)),
    ):
        form = ("proto", "esp", "reqid", "1", "mode", "tunnel")
        words = ("src", source, "dst", to, "dir", direction, "tmpl", "src", outer, "dst", end, *form)
        ip(machine, "xfrm", "policy", "add", *words)
