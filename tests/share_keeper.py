"""Keeps the shares of connections on this machine, as its agent does: a program for tests.

Takes a document as its first line, and how many connections the table is to be taken to have room for: tests
cannot make the kernel's smaller. Then for each line one look; answers with what is told.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import time

from causeway_agent.app import configure_logs
from causeway_agent.backends.filter.connections import KernelConnections
from causeway_agent.backends.filter.nft import NftFirewall
from causeway_agent.backends.host.clock import SystemClock
from causeway_agent.engine.ports import ConnectionTable
from causeway_agent.engine.shares import Shares
from causeway_agent.engine.state import State
from causeway_agent.plan.compile.compiler import compile_document
from causeway_wire import codec
from causeway_wire.desired import Desired
from tests import documents


class _Small(KernelConnections):
    """A table with room for fewer."""

    limit = 0

    async def table(self) -> ConnectionTable:
        return dataclasses.replace(await super().table(), limit=self.limit)


async def keep() -> None:
    document, limit = sys.stdin.readline(), int(sys.stdin.readline())
    state = State()
    state.target = compile_document(codec.decode(document.encode(), Desired), documents.FACTS)
    async with NftFirewall.open() as firewall:
        connections = _Small(firewall)
        connections.limit = limit
        shares = Shares(connections, clock=SystemClock(), state=state)
        while sys.stdin.readline():
            await shares.round(time.monotonic())
            sys.stdout.write(codec.encode(state.connections).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    configure_logs()
    asyncio.run(keep())
