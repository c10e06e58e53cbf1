"""VLANs on a trunk, on the wire: tagged as the document says, or refused where the kernel makes none.

Nothing is skipped. The kernel is asked first; then either frames carry their tag, or the agent's refusal is
checked. The report of the run says which it was (property `vlan_8021q`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import msgspec
import pytest

from causeway_agent import errors
from causeway_agent.backends.kernel import rtnl
from causeway_agent.backends.segment import neighbours
from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import Claim, Link, Vlan
from causeway_agent.plan.model.target import Facts, Observation
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.operations import Put
from causeway_lab.assembly.lab import Lab
from causeway_wire.desired import Desired
from causeway_wire.desired import Vlan as WireVlan
from causeway_wire.problem import ProblemError, ProblemType
from tests import documents
from tests.real_kernel import NIC, OTHER, adapters

pytestmark = pytest.mark.kernel

ID = 120
HOST = ipaddress.ip_address("192.168.0.77")
# linux/if_packet.h, linux/if_ether.h
SOL_PACKET, PACKET_AUXDATA, STATUS_VLAN_VALID, ETH_P_ALL, ETH_P_8021Q = 263, 8, 0x10, 3, 0x8100


class Tap:
    """Hears every frame that arrives at a device, with the tag that the kernel took off."""

    def __init__(self, device: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.bind((device, 0))
        self._socket.settimeout(0)

    def close(self) -> None:
        self._socket.close()

    def heard(self) -> set[tuple[int | None, int]]:
        """VLAN identifier (None: no tag) and EtherType of the frames so far."""
        found = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, auxiliary, _, address = self._socket.recvmsg(2048, 64)
                if address[2] != socket.PACKET_OUTGOING:
                    found.add((_tag(auxiliary), int.from_bytes(frame[12:14], "big")))
        return found


def _tag(auxiliary: list[tuple[int, int, bytes]]) -> int | None:
    """From struct tpacket_auxdata: status first, the tag's control information at octet 16."""
    for level, kind, data in auxiliary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status = int.from_bytes(data[:4], "little")
            control = int.from_bytes(data[16:18], "little")
            return control & 0xFFF if status & STATUS_VLAN_VALID else None
    return None


@pytest.fixture
async def kernel() -> AsyncIterator[rtnl.RtnlKernel]:
    with adapters():
        async with rtnl.RtnlKernel.open() as opened:
            yield opened


@pytest.fixture
async def wire(kernel: rtnl.RtnlKernel) -> AsyncIterator[Tap]:
    tap = Tap(OTHER)
    yield tap
    tap.close()


async def test_a_tag_that_was_sent_is_seen(kernel: rtnl.RtnlKernel, wire: Tap) -> None:
    """The control of the test below: this is what a tag looks like, whoever made it."""
    assert await kernel.devices()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((NIC, 0))
        tagged = ETH_P_8021Q.to_bytes(2, "big") + ID.to_bytes(2, "big") + b"\x08\x06" + bytes(46)
        sender.send(b"\xff" * 6 + bytes.fromhex("020000000001") + tagged)
    await asyncio.sleep(0.05)
    assert (ID, 0x0806) in wire.heard()


async def test_frames_carry_the_tag_of_their_vlan_or_the_kernel_refuses_as_it_said(
    kernel: rtnl.RtnlKernel, wire: Tap, record_property: Callable[[str, object], None]
) -> None:
    able = await kernel.makes_vlans()
    record_property("vlan_8021q", able)
    document, facts = await trunked(kernel, able=able)
    if not able:
        with pytest.raises(CompileError) as refused:
            compile_document(document, facts)
        found = [(problem.type, problem.pointer) for problem in refused.value.problems]
        assert found == [(ProblemType.UNSUPPORTED.urn, "/vlans/0")]
        vlan = Vlan("cwv120-000000", NIC, ID, 1500)
        with pytest.raises(errors.BackendError, match=r"802\.1Q"):
            await kernel.put(vlan)
        return
    target = compile_document(document, facts)
    empty = Observation(links=frozenset({Link(NIC, 1500)}))
    for operation in diff(empty, target).operations:
        if isinstance(operation, Put):
            await kernel.put(operation.item)
    seen = await kernel.observe(target.devices, target.sysctls)
    for kind in ("links", "vlans", "addresses", "routes", "rules"):
        assert getattr(seen, kind) == getattr(target, kind), kind
    assert target.sysctls <= seen.sysctls
    wire.heard()
    device = next(iter(target.vlans)).device
    assert await neighbours.PacketNeighbours().probe([Claim(device, HOST)]) == {}
    assert (ID, 0x0806) in wire.heard()
    await kernel.drop(next(iter(target.vlans)))
    left = await kernel.observe([NIC, device], [])
    assert not [address for address in left.addresses if address.device == device]


async def trunked(kernel: rtnl.RtnlKernel, *, able: bool) -> tuple[Desired, Facts]:
    """An appliance whose uplink is untagged on the trunk, and one network in a VLAN of it."""
    whole = documents.provider(networks=(documents.provider_network(0),))
    macs = {device: mac for mac, device in (await kernel.devices()).items()}
    trunk = msgspec.structs.replace(whole.nics[0], mac=macs[NIC])
    vlan = WireVlan(name="vlan-0", trunk=trunk.name, id=ID, addresses=whole.nics[1].addresses)
    facts = replace(documents.FACTS, devices=await kernel.devices(), vlan_8021q=able)
    return msgspec.structs.replace(whole, nics=(trunk,), vlans=(vlan,)), facts


async def test_an_agent_plans_vlans_or_refuses_them_as_its_capabilities_say(
    lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    agent = lab.agent(lab.site.tenants["acme"].provider.id)
    able = (await agent.versions()).capabilities.vlan_8021q
    record_property("vlan_8021q", able)
    document = await agent.get_desired()
    trunk = next(nic for nic in document.nics if nic.name == document.management.nic)
    spare = WireVlan(name="spare", trunk=trunk.name, id=ID)
    wanted = msgspec.structs.replace(document, generation=document.generation + 1, vlans=(spare,))
    if able:
        report = await agent.plan(wanted)
        assert any(f"VLAN {ID} on" in operation for operation in report.operations)
        return
    with pytest.raises(ProblemError) as refused:
        await agent.plan(wanted)
    problem = refused.value.problem
    assert (problem.type, problem.pointer) == (ProblemType.UNSUPPORTED.urn, "/vlans/0")
    assert "a vNIC per VLAN" in problem.detail
