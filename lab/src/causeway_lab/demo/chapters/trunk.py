"""An extended network that arrives on a trunk, told and proved with tagged frames (IEEE 802.1Q).

For appliances whose kernel makes VLANs. The lab's own kernel need not: the replica tags its frames itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TypeVar

import msgspec

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo.chapters.partial import FAILED_OVER
from causeway_lab.demo.claims import BrokenError, Ledger, require
from causeway_lab.world import frames, namespaces, tagged_frames
from causeway_lab.world.topology import replica_of
from causeway_wire.desired import Desired, ProviderRole, Vlan

VLAN_ID = 120
ECHOES = 3
PATIENCE = 8.0
"""Seconds for an answer, and of silence: the appliance may be emulated by a busy machine."""
_POLL = 0.02

T = TypeVar("T")


async def trunk(lab: Lab, ledger: Ledger) -> None:
    """While a VM is failed over its network moves to a VLAN of the provider's adapter, and back."""
    tenant = lab.tenant(FAILED_OVER.tenant)
    appliance, network = tenant.server, lab.vm(FAILED_OVER).network
    nic = appliance.vlans[network]
    ledger.chapter(f"802.1Q: {network} arrives at {appliance.id} as VLAN {VLAN_ID} of a trunk")
    await lab.put(appliance.id, lambda meant: moved(meant, nic.name))
    with _replica(lab) as replica, frames.listening(namespaces.FABRIC, namespaces.outlet(nic.mac)) as cable:
        await ledger.claim(
            f"With tag {VLAN_ID} the replica reaches production through the tunnel", _extended(replica, cable)
        )
        await ledger.claim("and without it nobody", _untagged(replica))
    await lab.put(appliance.id)
    with _replica(lab) as replica:
        await ledger.claim("Once the network is untagged again, the tag leads nowhere", _left(replica))


def moved(meant: Desired, adapter: str) -> Desired:
    """The document with this adapter's network, and its addresses, on a VLAN of it."""
    assert isinstance(meant.role, ProviderRole)  # noqa: S101 - the caller's own document
    name = f"{adapter}-tagged"
    carried = next(nic for nic in meant.nics if nic.name == adapter)
    networks = tuple(
        msgspec.structs.replace(network, nic=name) if network.nic == adapter else network
        for network in meant.role.networks
    )
    return msgspec.structs.replace(
        meant,
        nics=tuple(
            msgspec.structs.replace(nic, addresses=()) if nic.name == adapter else nic for nic in meant.nics
        ),
        vlans=(*meant.vlans, Vlan(name=name, trunk=adapter, id=VLAN_ID, addresses=carried.addresses)),
        role=msgspec.structs.replace(meant.role, networks=networks),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replica:
    """The failed-over VM's adapter, spoken for frame by frame, and whom in production it asks."""

    adapter: socket.socket
    mac: bytes
    address: IPv4Address
    asked: IPv4Address


@contextlib.contextmanager
def _replica(lab: Lab) -> Iterator[_Replica]:
    address, asked = (
        next(a for a in lab.vm(ref).addresses if isinstance(a, IPv4Address))
        for ref in (FAILED_OVER, VmRef(FAILED_OVER.tenant, "web1"))
    )
    with frames.listening(replica_of(FAILED_OVER.tenant, FAILED_OVER.vm), "eth0") as adapter:
        yield _Replica(adapter=adapter, mac=adapter.getsockname()[4], address=address, asked=asked)


async def _extended(replica: _Replica, cable: socket.socket) -> str:
    """The replica's word, and that of the appliance's own cable, where nobody else sends."""
    gateway = await _owner(replica, VLAN_ID)
    if gateway is None:
        raise BrokenError(f"nobody says in VLAN {VLAN_ID} where {replica.asked} is")
    answered = []
    for sequence in range(ECHOES):
        began = time.monotonic()
        echo = tagged_frames.echo(
            replica.mac, gateway, replica.address, replica.asked, sequence=sequence, tag=VLAN_ID
        )
        if await _answer(replica, echo, lambda f: tagged_frames.is_echo_reply(f, replica.asked) or None):
            answered.append(time.monotonic() - began)
    require(len(answered) == ECHOES, f"{replica.asked} answered {len(answered)} of {ECHOES} echo requests")
    seen = frames.heard(cable)
    marked = [frame for frame in seen if frame.tag == VLAN_ID]
    # A kernel tells a while later that an adapter has left the groups of addresses that it had before.
    bare = [
        frame.octets[:64].hex()
        for frame in seen
        if frame.tag is None and not frame.leaving and not tagged_frames.is_group_report(frame)
    ]
    require(any(not frame.leaving for frame in marked), "the appliance sent no tagged frame")
    require(not bare, f"the appliance sent {len(bare)} frames without a tag: {', '.join(bare)}")
    sent = sum(not frame.leaving for frame in marked)
    return (
        f"{replica.address} pings {replica.asked} in {min(answered) * 1000:.0f} ms; seen on the appliance's "
        f"cable: {sent} frames from it and {len(marked) - sent} to it with tag {VLAN_ID}, none of it without"
    )


async def _untagged(replica: _Replica) -> str:
    require(await _owner(replica, None) is None, f"without a tag somebody says where {replica.asked} is")
    return f"{replica.address} asks for {replica.asked} without a tag: no answer"


async def _left(replica: _Replica) -> str:
    require(await _owner(replica, VLAN_ID) is None, f"somebody still answers in VLAN {VLAN_ID}")
    require(await _owner(replica, None) is not None, f"nobody says without a tag where {replica.asked} is")
    return f"{replica.address} asks for {replica.asked} with tag {VLAN_ID}: no answer, and without: answered"


async def _owner(replica: _Replica, tag: int | None) -> bytes | None:
    """Who says, with the same tag, that this address is theirs (RFC 826); None when nobody does."""
    request = tagged_frames.arp_request(replica.mac, replica.address, replica.asked, tag=tag)
    return await _answer(
        replica, request, lambda f: tagged_frames.arp_owner(f, replica.asked) if f.tag == tag else None
    )


async def _answer(replica: _Replica, frame: bytes, read: Callable[[frames.Frame], T | None]) -> T | None:
    """Send a frame; what is read from the first one that comes back and means something."""
    frames.heard(replica.adapter)
    replica.adapter.send(frame)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for back in frames.heard(replica.adapter):
            if not back.leaving and (found := read(back)) is not None:
                return found
        await asyncio.sleep(_POLL)
    return None
