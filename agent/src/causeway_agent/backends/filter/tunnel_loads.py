"""What tunnels' devices sent and dropped (/proc/net/dev), and who sends into them (the packet filter)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from causeway_agent.backends.filter import nfnetlink, nft_dump
from causeway_agent.backends.filter.connections import Nft
from causeway_agent.backends.filter.nfnetlink import Nfnetlink
from causeway_agent.backends.host import device_counters, proc_file
from causeway_agent.engine.ports import Queue
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import load
from causeway_agent.plan.filter.skeleton import TABLE
from causeway_agent.plan.model.objects import TUN_PREFIXES
from causeway_agent.plan.steer.load import Sender

_FAMILIES: Final = {"inet": 1, "bridge": 7}
"""linux/netfilter.h, NFPROTO_*."""
# linux/netfilter/nf_tables.h
_KEY, _EXPRESSION, _VALUE, _DATA, _PACKETS = 1, 7, 1, 2, 2
_NAME, _MAC = 16, 6


class KernelTunnelLoads:
    """Implements `engine.ports.TunnelLoads` for the network namespace of the process."""

    def __init__(self, nft: Nft) -> None:
        self._nft = nft

    async def queues(self) -> Mapping[str, Queue]:
        return queues()

    async def senders(self) -> Mapping[Sender, int]:
        return await nfnetlink.asked(_senders, doing="read who sends into tunnels")

    async def slow(self, pressed: Collection[str], slowed: Mapping[Sender, int]) -> None:
        tables = (f"{family} {TABLE}" for family in _FAMILIES)
        await self._nft.run("".join(load.commands(table, pressed, slowed) for table in tables))


def queues() -> Mapping[str, Queue]:
    """What each tunnel's device sent and dropped so far. Raises BackendError."""
    try:
        data = proc_file.read(device_counters.FILE)
    except OSError as error:
        raise BackendError("read what devices sent", error.strerror or str(error)) from error
    found = device_counters.beginning(data, TUN_PREFIXES)
    return {name: Queue(counts.sent, counts.dropped) for name, counts in found.items()}


def _senders(link: Nfnetlink) -> dict[Sender, int]:
    return {sender: packets for family in _FAMILIES.values() for sender, packets in _sent(link, family)}


def _sent(link: Nfnetlink, family: int) -> Iterator[tuple[Sender, int]]:
    for each in nft_dump.elements(link, load.SENT, table=TABLE, family=family):
        found = nft_dump.parse(each)
        key = nft_dump.parse(found[_KEY])[_VALUE]
        figures = nft_dump.parse(nft_dump.parse(found[_EXPRESSION])[_DATA])
        sender = Sender(nft_dump.name(key[:_NAME]), key[_NAME : _NAME + _MAC])
        yield sender, nft_dump.number(figures[_PACKETS])
