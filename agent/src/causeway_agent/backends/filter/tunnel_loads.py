"""What tunnels' devices sent and dropped (/proc/net/dev), and who sends into them (the packet filter)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from causeway_agent.backends.filter import nfnetlink, nft_dump
from causeway_agent.backends.filter.nfnetlink import Nfnetlink
from causeway_agent.backends.host import proc_file
from causeway_agent.engine.ports import Queue
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import load
from causeway_agent.plan.filter.skeleton import TABLE
from causeway_agent.plan.model.objects import TUN_PREFIXES
from causeway_agent.plan.steer.load import Sender

_DEVICES: Final = Path("/proc/self/net/dev")
_SENT, _DROPPED = 9, 11
"""Columns behind the name (net/core/net-procfs.c)."""
_FAMILIES: Final = {"inet": 1, "bridge": 7}
"""linux/netfilter.h, NFPROTO_*."""
# linux/netfilter/nf_tables.h
_TABLE_NAME, _SET_NAME, _ELEMENTS = 1, 2, 3
_KEY, _EXPRESSION, _VALUE, _DATA, _PACKETS = 1, 7, 1, 2, 2
_NAME, _MAC = 16, 6


class _Nft(Protocol):
    async def run(self, commands: str) -> str:
        """Run nft commands as one transaction."""


class KernelTunnelLoads:
    """Implements `engine.ports.TunnelLoads` for the network namespace of the process."""

    def __init__(self, nft: _Nft) -> None:
        self._nft = nft

    async def queues(self) -> Mapping[str, Queue]:
        return queues()

    async def senders(self) -> Mapping[Sender, int]:
        return await asyncio.to_thread(_senders)

    async def slow(self, pressed: Collection[str], slowed: Mapping[Sender, int]) -> None:
        tables = (f"{family} {TABLE}" for family in _FAMILIES)
        await self._nft.run("".join(load.commands(table, pressed, slowed) for table in tables))


def queues() -> Mapping[str, Queue]:
    """What each tunnel's device sent and dropped so far. Raises BackendError."""
    try:
        # Names are octets to the kernel: an administrator's device may have any.
        lines = proc_file.read(_DEVICES).decode(errors="replace").splitlines()[2:]
    except OSError as error:
        raise BackendError("read what devices sent", error.strerror or str(error)) from error
    found = {}
    for line in lines:
        name, _, rest = line.strip().partition(":")
        if name.startswith(TUN_PREFIXES):
            columns = rest.split()
            found[name] = Queue(int(columns[_SENT]), int(columns[_DROPPED]))
    return found


def _senders() -> dict[Sender, int]:
    link = Nfnetlink()
    try:
        return {sender: packets for family in _FAMILIES.values() for sender, packets in _sent(link, family)}
    except OSError as error:
        raise BackendError("read who sends into tunnels", error.strerror or str(error)) from error
    finally:
        link.close()


def _sent(link: Nfnetlink, family: int) -> Iterator[tuple[Sender, int]]:
    which = nfnetlink.text(_TABLE_NAME, TABLE) + nfnetlink.text(_SET_NAME, load.SENT)
    for answer in nft_dump.dump(link, nft_dump.GET_ELEMENTS, family=family, attributes=which):
        listed = nft_dump.parse(answer).get(_ELEMENTS, b"")
        for _, each in nfnetlink.attributes(memoryview(listed)):
            found = nft_dump.parse(bytes(each))
            key = nft_dump.parse(found[_KEY])[_VALUE]
            figures = nft_dump.parse(nft_dump.parse(found[_EXPRESSION])[_DATA])
            sender = Sender(nft_dump.name(key[:_NAME]), key[_NAME : _NAME + _MAC])
            yield sender, nft_dump.number(figures[_PACKETS])
