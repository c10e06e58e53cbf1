"""A VLAN on a trunk, told and proved with tagged frames; for appliances whose kernel makes VLANs."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
import time
from ipaddress import IPv4Address

import msgspec

from causeway_controller.lab import frames, namespaces
from causeway_controller.lab.claims import Ledger, require
from causeway_controller.lab.lab import Lab
from causeway_controller.lab.topology import OLD_VM, replica_of
from causeway_wire.desired import Desired, Vlan

TENANT = "acme"
VLAN_ID = 120
ADDRESS = ipaddress.IPv4Interface("192.168.120.251/24")
ASKER = ipaddress.IPv4Address("192.168.120.9")
PATIENCE = 8.0
"""Seconds for an answer, and of silence: the appliance may be emulated by a busy machine."""
_POLL = 0.02
_ETH_P_ARP, _ETH_P_8021Q = 0x0806, 0x8100
_REQUEST, _REPLY = 1, 2


async def trunk(lab: Lab, ledger: Ledger) -> None:
    """The provider's appliance gets a VLAN on the adapter of its first network, and loses it again."""
    appliance = lab.topology.tenants[TENANT].provider
    nic = next(iter(appliance.vlans.values()))
    witness = replica_of(TENANT, OLD_VM)
    ledger.chapter("802.1Q, where the appliance's kernel has it")
    await lab.put(appliance.id, lambda meant: tagged(meant, nic.name))
    await ledger.claim(
        f"{appliance.id} answers in VLAN {VLAN_ID} of its adapter, tagged, and not outside of it",
        _answers(witness, namespaces.outlet(nic.mac)),
    )
    await lab.put(appliance.id)
    await ledger.claim("and no longer once the document is without it", _silent(witness))


def tagged(meant: Desired, adapter: str) -> Desired:
    """The document with a VLAN on one of its adapters."""
    vlan = Vlan(name="tagged", trunk=adapter, id=VLAN_ID, addresses=(ADDRESS,))
    return msgspec.structs.replace(meant, vlans=(*meant.vlans, vlan))


async def _answers(witness: str, cable: str) -> str:
    """Told twice: by who asks, and by the cable of the appliance, where nobody but it sends."""
    with frames.listening(namespaces.FABRIC, cable) as wire:
        tag = await _ask(witness, VLAN_ID)
        require(tag == VLAN_ID, f"{witness} asked with tag {VLAN_ID} and got {_said(tag)}")
        bare = await _ask(witness, None)
        require(bare is _NOTHING, f"{witness} asked without a tag and got {_said(bare)}")
        sent = [frame for frame in frames.heard(wire) if not frame.leaving]
    marked = [frame for frame in sent if frame.tag == VLAN_ID]
    require(marked, f"no frame with tag {VLAN_ID} came out of the appliance's adapter")
    stray = [frame for frame in sent if frame.tag is None and is_answer(frame.octets, ADDRESS.ip)]
    require(not stray, "the appliance's adapter also answered without a tag")
    return (
        f"{witness} asks for {ADDRESS.ip}: answered with tag {VLAN_ID}, and without a tag not at all; "
        f"on {cable}, the adapter's cable: {len(marked)} frames with the tag"
    )


async def _silent(witness: str) -> str:
    tag = await _ask(witness, VLAN_ID)
    require(tag is _NOTHING, f"{witness} asked with tag {VLAN_ID} and got {_said(tag)}")
    return f"{witness} asks for {ADDRESS.ip} with tag {VLAN_ID}: no answer"


_NOTHING = -1
"""No answer at all; None is one without a tag."""


def _said(tag: int | None) -> str:
    if tag is _NOTHING:
        return "no answer"
    return "an answer without a tag" if tag is None else f"an answer with tag {tag}"


async def _ask(machine: str, vlan: int | None) -> int | None:
    """The tag of the answer to an ARP request for the address (RFC 826), sent from the machine's adapter."""
    with frames.listening(machine, "eth0") as adapter:
        mac = adapter.getsockname()[4]
        deadline = time.monotonic() + PATIENCE
        adapter.send(request(mac, vlan))
        while time.monotonic() < deadline:
            for frame in frames.heard(adapter):
                if not frame.leaving and is_answer(frame.octets, ADDRESS.ip):
                    return frame.tag
            await asyncio.sleep(_POLL)
    return _NOTHING


def request(mac: bytes, vlan: int | None) -> bytes:
    """The frame of an ARP request for the address, with this tag."""
    tag = b"" if vlan is None else struct.pack("!HH", _ETH_P_8021Q, vlan)
    kind = struct.pack("!HHHBBH", _ETH_P_ARP, 1, 0x0800, 6, 4, _REQUEST)
    return b"\xff" * 6 + mac + tag + kind + mac + ASKER.packed + bytes(6) + ADDRESS.ip.packed


def is_answer(frame: bytes, address: IPv4Address) -> bool:
    """Whether a frame, its tag taken off, is an ARP reply about this address."""
    kind, operation = struct.unpack_from("!12xH6xH", frame.ljust(22, b"\0"))
    return kind == _ETH_P_ARP and operation == _REPLY and frame[28:32] == address.packed
