"""Puts a document in force on this machine, through the real kernel and packet filter: a program for tests.

Reads the document from its input and prints the claims, each with what answered for it. Processes are not
started: nothing of full failover runs, and of other modes packets are tested elsewhere.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from causeway_agent.backends.filter.nft import NftFirewall
from causeway_agent.backends.kernel.rtnl import RtnlKernel
from causeway_agent.backends.segment.neighbours import PacketNeighbours
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.operations import Announce, Drop, LoadPolicy, Operation, Put
from causeway_wire import codec
from causeway_wire.desired import Desired
from tests import documents


async def apply(document: Desired) -> None:
    """Plan from what is there, and carry the plan out."""
    async with RtnlKernel.open() as kernel, NftFirewall.open() as firewall:
        facts = replace(documents.FACTS, devices=await kernel.devices(), vpn_uid=None)
        target = compile_document(document, facts)
        seen = await kernel.observe(target.devices, target.sysctls)
        plan = diff(seen, target)
        neighbours = PacketNeighbours()
        taken = await neighbours.probe(plan.probes)
        for claim in plan.probes:
            sys.stdout.write(f"{claim.device} {claim.address} {taken.get(claim, 'free')}\n")
        for operation in plan.without(taken):
            await _perform(operation, kernel, firewall, neighbours)


async def _perform(
    operation: Operation, kernel: RtnlKernel, firewall: NftFirewall, neighbours: PacketNeighbours
) -> None:
    match operation:
        case Put(item):
            await kernel.put(item)
        case Drop(item):
            await kernel.drop(item)
        case LoadPolicy(policy):
            await firewall.load(policy)
        case Announce(claim):
            await neighbours.announce(claim)
        case _:
            pass


if __name__ == "__main__":
    asyncio.run(apply(codec.decode(sys.stdin.buffer.read(), Desired)))
