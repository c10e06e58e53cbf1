"""Parts of the observed document that are read from the machine when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from ipaddress import ip_interface

from causeway_agent.engine import ports
from causeway_agent.errors import BackendError
from causeway_wire.observed import CounterReport, NicReport, TunnelReport
from causeway_wire.problem import Problem, ProblemType, problem
from causeway_wire.types import IPAddress

COUNTERS_SECONDS = 2.0
"""Longest time that the observed document waits for the packet filter."""


async def counters(firewall: ports.Firewall) -> tuple[CounterReport, ...]:
    """Named counters; none when the packet filter cannot be asked: the rest is still worth telling."""
    try:
        async with asyncio.timeout(COUNTERS_SECONDS):
            figures = await firewall.counters()
    except (BackendError, TimeoutError):
        return ()
    return as_reports(figures)


def as_reports(figures: Mapping[str, tuple[int, int]]) -> tuple[CounterReport, ...]:
    """Packets and octets by counter, as they are reported."""
    return tuple(
        CounterReport(name=name, packets=packets, bytes=octets)
        for name, (packets, octets) in sorted(figures.items())
    )


def held(nics: Iterable[NicReport]) -> frozenset[IPAddress]:
    """Addresses on the machine's adapters."""
    return frozenset(ip_interface(text).ip for nic in nics for text in nic.addresses)


def impairments(tunnels: Iterable[TunnelReport]) -> tuple[Problem, ...]:
    """A problem for each tunnel that has something wrong with it."""
    return tuple(
        problem(ProblemType.TUNNEL_IMPAIRED, f"tunnel {one.id}: {one.impairment}")
        for one in tunnels
        if one.impairment is not None
    )
