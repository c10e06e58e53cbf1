"""Tells the far end of a bridged tunnel which hosts are behind this one.

An OpenVPN server in bridged mode forwards to a host only after a frame from it came through the connection at
hand, and a reconnection starts from nothing: a replica that goes on talking to a known address would be cut
off until that host happens to speak. So whenever the tunnel connects, one short frame per host that our
bridge knows is sent in its name; it ends at the far appliance, whose bridge learns from it too.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

from causeway_agent import errors
from causeway_agent.backends.kernel import netlink, rtnl_schema
from causeway_agent.backends.kernel.rtnl_schema import Message
from causeway_agent.backends.segment import guard_frames, packet_socket
from causeway_agent.backends.segment.guard_frames import Frame, Kind

LIMIT = 12_288
"""Hosts told at most; there are fewer in a bridge (`filter.bridge.NEWCOMERS_BURST`)."""

_BATCH = 256
_PAUSE = 0.01
"""Seconds between batches; the tap's queue holds 2000 frames."""
_AF_BRIDGE = 7  # linux/socket.h
_LOCAL = 0x80  # NUD_PERMANENT, linux/neighbour.h


async def tell(tap: str, adapter: str) -> int:
    """Send a frame for every host known behind the adapter; how many. Raises BackendError or OSError."""
    hosts = await known(adapter)
    with packet_socket.open_frames(tap, guard_frames.ETHERTYPE) as sock:
        for start in range(0, len(hosts), _BATCH):
            _send(sock, hosts[start : start + _BATCH])
            await asyncio.sleep(_PAUSE)
    return len(hosts)


async def known(adapter: str) -> list[bytes]:
    """MAC addresses that the bridge has learned on this port of it."""
    index = socket.if_nametoindex(adapter)
    query = Message(rtnl_schema.NEIGHBOUR)
    query["family"] = _AF_BRIDGE
    async with netlink.open_netlink() as connection:
        entries = await connection.dump("list hosts behind a bridge", netlink.GET_NEIGHBOUR, query)
    learned = {
        entry.get_attr("NDA_LLADDR")
        for entry in entries
        if entry["ifindex"] == index and entry.get_attr("NDA_MASTER") and not entry["state"] & _LOCAL
    }
    return [bytes.fromhex(mac.replace(":", "")) for mac in sorted(learned)][:LIMIT]


def _send(sock: socket.socket, hosts: Iterable[bytes]) -> None:
    for host in hosts:
        try:
            sock.send(guard_frames.build(Frame(Kind.HOST), host))
        except BlockingIOError:
            return
        except OSError as error:
            doing = "tell the far end of hosts"
            raise errors.BackendError(doing, error.strerror or str(error)) from error
