"""Keeps TCP segments below what every path carries: larger ones may vanish unsaid (RFC 2923 2.1).

A path that is narrower than its ends think, and whose ICMP messages are lost, lets a handshake through and
swallows the first full segment. Linux looks for that only where `net.ipv4.tcp_mtu_probing` is set.
"""

from __future__ import annotations

import socket
from typing import Final

SEGMENT_OCTETS: Final = 1220
"""IPv6's smallest MTU (1280, RFC 8200 5) less an IPv6 and a TCP header; so 1260 over IPv4."""


def keep_small(channel: socket.socket) -> socket.socket:
    """Return the TCP socket, told to send no larger segments and to ask for none (tcp(7), TCP_MAXSEG).

    Before it listens or connects: the far end learns it from the handshake, and accepted ones have it from
    the one that listens.
    """
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_OCTETS)
    return channel
