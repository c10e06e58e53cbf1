"""What tunnels' devices sent and dropped (/proc/net/dev), and who sends into them (the packet filter).

What a device sent over TCP may be dropped behind it, by OpenVPN's server. So that is asked how much it wrote,
as long as it is given so much that it could matter, and what is missing counts as dropped by the device.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Final

from causeway_agent.backends.filter import nfnetlink, nft_dump
from causeway_agent.backends.filter.connections import Nft
from causeway_agent.backends.filter.nfnetlink import Nfnetlink
from causeway_agent.backends.host import device_counters, proc_file
from causeway_agent.backends.host.device_counters import Counts
from causeway_agent.engine.ports import Queue
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import load
from causeway_agent.plan.filter.skeleton import TABLE
from causeway_agent.plan.model.objects import TUN_PREFIXES
from causeway_agent.plan.steer.load import Given, Sender, lost_inside

_FAMILIES: Final = {"inet": 1, "bridge": 7}
"""linux/netfilter.h, NFPROTO_*."""
# linux/netfilter/nf_tables.h
_KEY, _EXPRESSION, _VALUE, _DATA, _PACKETS = 1, 7, 1, 2, 2
_NAME, _MAC = 16, 6
BUSY: Final = 200
"""Packets since the last look from which on it is asked what became of them."""

Written = Callable[[str], Awaitable[int | None]]
"""Octets sent outside so far, of what this device gave; None when nobody says it."""


class KernelTunnelLoads:
    """Implements `engine.ports.TunnelLoads` for the network namespace of the process."""

    def __init__(self, nft: Nft, written: Written) -> None:
        self._nft = nft
        self._written = written
        self._sent: Mapping[str, int] = {}
        self._said: Mapping[str, tuple[Given, int]] = {}
        """What devices gave when it was said how much was written."""
        self._lost: dict[str, int] = {}

    async def queues(self) -> Mapping[str, Queue]:
        counted = _counted()
        busy = [
            device for device, each in counted.items() if each.sent - self._sent.get(device, each.sent) > BUSY
        ]
        said = [each for each in await asyncio.gather(*map(self._ask, busy)) if each is not None]
        counted |= {device: counts for device, counts, _ in said}
        self._compare({device: (Given(each.sent, each.octets_sent), octets) for device, each, octets in said})
        self._sent = {device: each.sent for device, each in counted.items()}
        self._lost = {device: lost for device, lost in self._lost.items() if device in counted}
        return {device: _queue(each, self._lost.get(device, 0)) for device, each in counted.items()}

    async def _ask(self, device: str) -> tuple[str, Counts, int] | None:
        """What it was given when it was said how much was written, whatever others take to say it."""
        octets = await self._written(device)
        counts = None if octets is None else _counted().get(device)
        return None if octets is None or counts is None else (device, counts, octets)

    def _compare(self, said: Mapping[str, tuple[Given, int]]) -> None:
        """Add what is missing since the last look; where clients came and went it cannot be known."""
        before, self._said = self._said, said
        for device in self._said.keys() & before.keys():
            (given, octets), (then, had) = self._said[device], before[device]
            if octets >= had:
                more = Given(given.packets - then.packets, given.octets - then.octets)
                self._lost[device] = self._lost.get(device, 0) + lost_inside(more, octets - had)

    async def senders(self) -> Mapping[Sender, int]:
        return await nfnetlink.asked(_senders, doing="read who sends into tunnels")

    async def slow(self, pressed: Collection[str], slowed: Mapping[Sender, int]) -> None:
        tables = (f"{family} {TABLE}" for family in _FAMILIES)
        await self._nft.run("".join(load.commands(table, pressed, slowed) for table in tables))


def _counted() -> dict[str, Counts]:
    """What each tunnel's device has counted. Raises BackendError."""
    try:
        data = proc_file.read(device_counters.FILE)
    except OSError as error:
        raise BackendError("read what devices sent", error.strerror or str(error)) from error
    return device_counters.beginning(data, TUN_PREFIXES)


def _queue(counts: Counts, lost: int) -> Queue:
    return Queue(counts.sent - lost, counts.dropped + lost)


def _senders(link: Nfnetlink) -> dict[Sender, int]:
    return {sender: packets for family in _FAMILIES.values() for sender, packets in _sent(link, family)}


def _sent(link: Nfnetlink, family: int) -> Iterator[tuple[Sender, int]]:
    for each in nft_dump.elements(link, load.SENT, table=TABLE, family=family):
        found = nft_dump.parse(each)
        key = nft_dump.parse(found[_KEY])[_VALUE]
        figures = nft_dump.parse(nft_dump.parse(found[_EXPRESSION])[_DATA])
        sender = Sender(nft_dump.name(key[:_NAME]), key[_NAME : _NAME + _MAC])
        yield sender, nft_dump.number(figures[_PACKETS])
