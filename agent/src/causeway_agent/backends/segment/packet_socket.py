"""Packet sockets (packet(7)) that see only the frames asked for, filtered in the kernel."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Callable, Sequence

from causeway_agent.backends.segment import frames
from causeway_agent.backends.segment.audience import EVERYBODY, Heard

# linux/if_packet.h, asm-generic/socket.h
_SOL_PACKET = 263
_ADD_MEMBERSHIP = 1
_ALL_MULTICAST = 2
_IGNORE_OUTGOING = 23
_ATTACH_FILTER = 26
_EVERY_PROTOCOL = 3  # ETH_P_ALL, linux/if_ether.h

# Classic BPF (linux/filter.h): load an octet, compare, return.
_LOAD_WORD = 0x20
_LOAD_OCTET = 0x30
_LOAD_HALF_WORD = 0x28
_AND = 0x54
_JUMP_EQUAL = 0x15
_RETURN = 0x06
_INSTRUCTION = struct.Struct("HBBI")
_WHOLE_FRAME = 0xFFFF
_ACCEPT = (_INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE_FRAME),)
_ETHERTYPE_OFFSET = 12
# What the kernel knows beside a frame (SKF_AD_OFF): for whom it is, the tag that it took off, and if there
# was one. Where only one protocol is heard the tag is forgotten by then, and the frame is for others
# (net/core/dev.c, __netif_receive_skb_core).
_KIND, _TAG, _TAGGED = (0xFFFFF000 + offset for offset in (4, 44, 48))
_FOR_OTHERS = 3  # PACKET_OTHERHOST
_VLAN_ID = 0x0FFF  # IEEE 802.1Q, 9.6; 0: a priority and no VLAN
_UNTAGGED = (
    _INSTRUCTION.pack(_LOAD_OCTET, 0, 0, _TAGGED),
    _INSTRUCTION.pack(_JUMP_EQUAL, 4, 0, 0),
    _INSTRUCTION.pack(_LOAD_HALF_WORD, 0, 0, _TAG),
    _INSTRUCTION.pack(_AND, 0, 0, _VLAN_ID),
    _INSTRUCTION.pack(_JUMP_EQUAL, 1, 0, 0),
    _INSTRUCTION.pack(_RETURN, 0, 0, 0),
)
_FOR_NO_OTHERS = (
    _INSTRUCTION.pack(_LOAD_OCTET, 0, 0, _KIND),
    _INSTRUCTION.pack(_JUMP_EQUAL, 0, 1, _FOR_OTHERS),
    _INSTRUCTION.pack(_RETURN, 0, 0, 0),
)
_SENDER_END_OFFSET = 6 + 2
_NEXT_HEADER_OFFSET = 14 + 6
_ICMPV6_TYPE_OFFSET = 14 + 40
_ICMPV6 = 58


def open_arp(device: str) -> socket.socket:
    """All ARP frames that arrive on the device, be it a bridge's port. Raises OSError."""
    return open_frames(device, frames.ETHERTYPE_ARP)


def open_frames(device: str, ethertype: int) -> socket.socket:
    """All frames of this EtherType that arrive on the device. Raises OSError.

    A socket for one protocol would hear nothing on the port of a bridge, which takes frames before the
    protocols do (net/core/dev.c, __netif_receive_skb_core).
    """
    return _bound(device, _EVERY_PROTOCOL, _only(ethertype, *_ACCEPT))


def open_frames_to(device: str, ethertype: int, mac: bytes) -> socket.socket:
    """The same, of those only that are sent to this MAC address. Raises OSError."""
    return _bound(device, _EVERY_PROTOCOL, _only(ethertype, *_sent_to(mac)))


def open_icmpv6(device: str, *, kind: int) -> socket.socket:
    """All ICMPv6 messages of one type that arrive on the device, for whatever group. Raises OSError."""
    sock = _bound(device, frames.ETHERTYPE_IPV6, _icmpv6_filter(kind))
    _hear_groups(sock, device)
    return sock


def admission(sock: socket.socket, *, kind: int) -> Callable[[Heard], None]:
    """What lets a socket of `open_icmpv6` receive from some and not from others; it may raise OSError."""
    return lambda heard: let_in(sock, _icmpv6_filter(kind, heard))


def open_icmpv6_on_port(device: str, *, kind: int) -> socket.socket:
    """The same where the device may be a bridge's port; every packet of the device is looked at for it."""
    sock = _bound(device, _EVERY_PROTOCOL, _only(frames.ETHERTYPE_IPV6, *_icmpv6_filter(kind)))
    _hear_groups(sock, device)
    return sock


def open_kept(device: str, version: int, *, port: bool) -> socket.socket:
    """Frames of ARP (4) or IPv6 (6) that `let_in` says; none before. Raises OSError.

    `port`: the device is a bridge's, and every frame of it must be looked at. Else data packets of IPv4 cost
    nothing.
    """
    ethertype = frames.ETHERTYPE_ARP if version == 4 else frames.ETHERTYPE_IPV6  # noqa: PLR2004
    nothing = _INSTRUCTION.pack(_RETURN, 0, 0, 0)
    sock = _bound(device, _EVERY_PROTOCOL if port else ethertype, (nothing,))
    try:
        if version == 6:  # noqa: PLR2004
            _hear_groups(sock, device)
    except OSError:
        sock.close()
        raise
    return sock


def let_in(sock: socket.socket, program: Sequence[bytes]) -> None:
    """Let the bound socket receive what this program of classic BPF accepts. Raises OSError."""
    _let_in(sock, sock.getsockname()[1], program)


def _let_in(sock: socket.socket, protocol: int, program: Sequence[bytes]) -> None:
    """Of the device's own segment: on a trunk a socket hears the frames of every VLAN, without their tags. A
    machine with the same address in another network would be taken for one of this network.
    """
    own = _UNTAGGED if protocol == _EVERY_PROTOCOL else _FOR_NO_OTHERS
    steps = (*own, *program)
    code = ctypes.create_string_buffer(b"".join(steps))
    option = struct.pack("HP", len(steps), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, option)


def mac_of(sock: socket.socket) -> bytes:
    """The MAC address of the device that a packet socket is bound to."""
    mac: bytes = sock.getsockname()[4]
    return mac


def _hear_groups(sock: socket.socket, device: str) -> None:
    membership = struct.pack("IHH8s", socket.if_nametoindex(device), _ALL_MULTICAST, 0, b"")
    sock.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)


def _bound(device: str, ethertype: int, program: Sequence[bytes] = ()) -> socket.socket:
    # Protocol 0 receives nothing, so no frame slips in before the filter stands.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        if program:
            _let_in(sock, ethertype, program)
        if ethertype == _EVERY_PROTOCOL:
            sock.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
        sock.bind((device, ethertype))
    except OSError:
        sock.close()
        raise
    return sock


def _only(ethertype: int, *program: bytes) -> tuple[bytes, ...]:
    """The program for frames of this EtherType; no others are accepted."""
    return (
        _INSTRUCTION.pack(_LOAD_HALF_WORD, 0, 0, _ETHERTYPE_OFFSET),
        _INSTRUCTION.pack(_JUMP_EQUAL, 1, 0, ethertype),
        _INSTRUCTION.pack(_RETURN, 0, 0, 0),
        *program,
    )


def _sent_to(mac: bytes) -> tuple[bytes, ...]:
    """The program for frames to this address."""
    parts = struct.unpack("!3H", mac)
    return (
        *(
            instruction
            for number, part in enumerate(parts)
            for instruction in (
                _INSTRUCTION.pack(_LOAD_HALF_WORD, 0, 0, 2 * number),
                _INSTRUCTION.pack(_JUMP_EQUAL, 1, 0, part),
                _INSTRUCTION.pack(_RETURN, 0, 0, 0),
            )
        ),
        *_ACCEPT,
    )


def _icmpv6_filter(kind: int, heard: Heard = EVERYBODY) -> tuple[bytes, ...]:
    """The program for these messages. Other packets pay nothing for who is heard."""
    return (
        _INSTRUCTION.pack(_LOAD_OCTET, 0, 0, _NEXT_HEADER_OFFSET),
        _INSTRUCTION.pack(_JUMP_EQUAL, 1, 0, _ICMPV6),
        _INSTRUCTION.pack(_RETURN, 0, 0, 0),
        _INSTRUCTION.pack(_LOAD_OCTET, 0, 0, _ICMPV6_TYPE_OFFSET),
        _INSTRUCTION.pack(_JUMP_EQUAL, 1, 0, kind),
        _INSTRUCTION.pack(_RETURN, 0, 0, 0),
        *_heard(heard),
    )


def _heard(heard: Heard) -> tuple[bytes, ...]:
    """The program for frames of those who are heard. The last 32 bits of MAC addresses are compared: of two
    machines on a segment that have them in common one would suffer for the other.
    """
    if heard == EVERYBODY:
        return _ACCEPT
    named = [(mac, 0) for mac in heard.muted]
    named += [(mac, _WHOLE_FRAME) for mac in (heard.alone or frozenset()) - heard.muted]
    return (
        _INSTRUCTION.pack(_LOAD_WORD, 0, 0, _SENDER_END_OFFSET),
        *(
            instruction
            for mac, length in named
            for instruction in (
                _INSTRUCTION.pack(_JUMP_EQUAL, 0, 1, int.from_bytes(mac[2:], "big")),
                _INSTRUCTION.pack(_RETURN, 0, 0, length),
            )
        ),
        _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE_FRAME if heard.alone is None else 0),
    )
