"""The tunnel on real lines: throughput, lost echoes, gaps and restarts, against a bare routed path.

A production VM talks to a failed-over VM through the tunnel, and to a host on the internet past it; both ways
lead over the tenant's one line, which is of 50 Mbit/s and has one more defect each time. What the bare path
loses is the line's own; what the tunnel loses beyond it is ours. TCP goes one way at a
time, over one path after the other, three times, of which the medians count. Then it goes both ways at once:
where two processors carry both ends of everything, that says what one direction takes from the other.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import line_traffic, report, world
from benchmarks.line_traffic import Echoes, Flow, Way
from causeway_lab.assembly.lab import Lab
from causeway_lab.commands import line_options
from causeway_lab.service import drill
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import INTERNET_ADDRESSES, INTERNET_HOST, original_of, replica_of
from causeway_wire.observed import PathReport, TunnelReport, TunnelState

_RATE = "--rate 50mbit --queue 256k"
_SETTLE = 3.0
"""Seconds for the tunnel to find its way and its size on a new line."""
_CONNECT_TRIES, _PAUSE = 100, 0.3
_ECHO_SECONDS = 8.0
_ROUNDS = 3
_REBINDS = 2
_TENANT, _APPLIANCE, _PROVIDER = "acme", "acme-nea1", "acme-sp"
_VM, _REPLICA = original_of(_TENANT, "web1"), replica_of(_TENANT, world.VM.vm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A line. `seconds` of throughput; `chance`: by how many percent two shares of lost echoes may differ."""

    name: str
    options: str = ""
    seconds: int = 3
    flows: int = 2
    chance: float = 0.0
    gap: float | None = None
    """Target for the longest gap, seconds."""
    version: int = 4
    """By which the bare path goes."""
    rebinding: bool = False
    segment: int | None = None
    """Largest TCP segment of the bare path, where nothing else would tell its hosts: they would stall."""


CASES = (
    Case(name="clear"),
    Case(
        name="80 ms ± 20 ms, 1 % lost",
        options="--delay 80ms --jitter 20ms --loss 1%",
        seconds=8,
        flows=16,
        chance=1.3,
    ),
    Case(name="pauses of 0.5 s every 5 s", options="--pause 5s:500ms", seconds=5),
    Case(name="pauses of 0.8 s every 5 s", options="--pause 5s:800ms", seconds=5),
    Case(name="1 in 50 overtaken by 90", options="--delay 10ms --reorder 50:90"),
    Case(name="1 in 50 overtaken by 500", options="--delay 10ms --reorder 50:500"),
    *(
        Case(name=f"MTU {mtu}{told}", options=f"--mtu {mtu} {icmp}", segment=mtu - 40 if told else None)
        for mtu in (1492, 1400, 1280)
        for told, icmp in (("", "--icmp"), (", no ICMP", "--no-icmp"))
    ),
    Case(name="5 % doubled", options="--duplicate 5%"),
    Case(name="NAT, rebound twice", options="--nat", gap=0.5, rebinding=True),
    Case(name="IPv6 outside only", options="--block ipv4", version=6),
    Case(name="UDP blocked", options="--block udp"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Of TCP through the tunnel and by the bare path, Mbit/s, up and down."""

    tunnel: tuple[float, float]
    bare: tuple[float, float]

    @property
    def ratio(self) -> float:
        """The tunnel's by the bare path's, in the worse direction."""
        pairs = zip(self.tunnel, self.bare, strict=True)
        return min((ours / theirs if theirs else 0.0) for ours, theirs in pairs)

    def __str__(self) -> str:
        ours, theirs = (" / ".join(f"{one:.1f}" for one in both) for both in (self.tunnel, self.bare))
        return f"{ours} ({theirs})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured on one line."""

    case: Case
    alone: Throughput
    """One direction at a time."""
    at_once: Throughput
    """Both directions at once."""
    echoes: Echoes
    bare_echoes: Echoes
    restarts: int
    transport: str
    carries: tuple[int | None, int | None]
    """Octets that the line carries up and down, as the end that sends them has found out; of UDP."""

    @property
    def lost(self) -> float:
        """Percent of echoes lost beyond what the bare path lost."""
        return max(0.0, self.echoes.lost - self.bare_echoes.lost)


async def main() -> None:
    """Measure the lines whose names contain the first argument, all without one, and publish."""
    wanted = [case for case in CASES if not sys.argv[1:] or sys.argv[1] in case.name]
    async with world.lab(topology.build(tenants=1, networks=1, gateways=2)) as lab:
        await drill.fail_over(lab, [world.VM])
        rows = [await _measure(lab, case) for case in wanted]
    _print(rows)
    report.write("lines", [figure for row in rows for figure in _figures(row)])


async def _measure(lab: Lab, case: Case) -> Row:
    await lab.lines.change(_TENANT, line_options.conditions(f"{_RATE} {case.options}"))
    _forget_sizes(lab)
    await _settle(lab)
    before = await _tunnel(lab)
    outside = str(next(one for one in INTERNET_ADDRESSES if one.version == case.version))
    inside = str(lab.vm(world.VM).addresses[0])
    rebinding = _rebind(lab) if case.rebinding else _nothing()
    echoes, bare_echoes, _ = await asyncio.gather(
        line_traffic.echoes(_VM, inside, seconds=_ECHO_SECONDS),
        line_traffic.echoes(_VM, outside, seconds=_ECHO_SECONDS),
        rebinding,
    )
    alone, at_once = await _throughput(case, inside, outside)
    after = await _tunnel(lab)
    carries = [(await _tunnel(lab, appliance)).path for appliance in (_APPLIANCE, _PROVIDER)]
    print(f"{case.name}: measured", file=sys.stderr)
    return Row(
        case=case,
        alone=alone,
        at_once=at_once,
        echoes=echoes,
        bare_echoes=bare_echoes,
        restarts=after.restarts - before.restarts,
        transport=after.transport.value if after.transport is not None else "none",
        carries=(_line(carries[0]), _line(carries[1])),
    )


async def _throughput(case: Case, inside: str, outside: str) -> tuple[Throughput, Throughput]:
    """One direction at a time, the median of rounds in which the paths take turns; then both at once."""
    flow = Flow(seconds=case.seconds, count=case.flows)
    rounds: dict[Way, list[Throughput]] = {way: [] for way in Way}
    for way in (*(Way.UP, Way.DOWN) * _ROUNDS, Way.BOTH):
        bare = replace(flow, segment=case.segment)
        rounds[way].append(
            Throughput(
                bare=await line_traffic.throughput(_VM, INTERNET_HOST, outside, bare, way),
                tunnel=await line_traffic.throughput(_VM, _REPLICA, inside, flow, way),
            )
        )
    up, down = rounds[Way.UP], rounds[Way.DOWN]
    alone = Throughput(
        tunnel=(median(one.tunnel[0] for one in up), median(one.tunnel[1] for one in down)),
        bare=(median(one.bare[0] for one in up), median(one.bare[1] for one in down)),
    )
    return alone, rounds[Way.BOTH][0]


def _line(path: PathReport | None) -> int | None:
    return None if path is None else path.line_sends


def _forget_sizes(lab: Lab) -> None:
    """No machine's kernel remembers what another line told it about sizes (RFC 1191, 6.3: ten minutes)."""
    for machine in lab.topology.machines:
        for family in ("-4", "-6"):
            namespaces.run(machine, "ip", family, "route", "flush", "cache")


async def _settle(lab: Lab) -> None:
    """Until the tunnel is connected over the new line and had time to learn it; a line may keep it down."""
    await asyncio.sleep(_SETTLE)
    for _ in range(_CONNECT_TRIES):
        if (await _tunnel(lab)).state is TunnelState.CONNECTED:
            break
        await asyncio.sleep(_PAUSE)
    await asyncio.sleep(_SETTLE / 2)


async def _tunnel(lab: Lab, appliance: str = _APPLIANCE) -> TunnelReport:
    return (await lab.agent(appliance).observed()).tunnels[0]


async def _rebind(lab: Lab) -> None:
    for _ in range(_REBINDS):
        await asyncio.sleep(_ECHO_SECONDS / (_REBINDS + 1))
        await lab.lines.rebind(_TENANT)


async def _nothing() -> None:
    """The line does all by itself."""


def _figures(row: Row) -> Sequence[report.Figure]:
    bare = "a bare routed path over the same line"
    name = row.case.name
    return [
        report.figure(
            f"{name}: throughput, tunnel / bare",
            [row.alone.ratio],
            "ratio",
            target=0.9,
            better="higher",
            compared_with=bare,
        ),
        report.figure(
            f"{name}: throughput both ways at once, tunnel / bare",
            [row.at_once.ratio],
            "ratio",
            better="higher",
            compared_with=bare,
        ),
        report.figure(
            f"{name}: echoes lost beyond the line's own",
            [row.lost],
            "%",
            target=row.case.chance,
            better="lower",
            compared_with=bare,
        ),
        report.figure(
            f"{name}: longest gap",
            [row.echoes.longest_gap],
            "s",
            target=row.case.gap,
            better="lower",
            compared_with=f"{bare}: {row.bare_echoes.longest_gap:.2f} s",
        ),
        report.figure(f"{name}: restarts", [float(row.restarts)], "restarts", target=0, better="lower"),
        report.figure(
            f"{name}: over UDP", [float(row.transport == "udp")], "1 = UDP, 0 = TCP", better="higher"
        ),
    ]


def _print(rows: Sequence[Row]) -> None:
    table = Table(
        title="bench-lines", caption="tunnel (bare path); throughput in Mbit/s up / down, gaps in s"
    )
    columns = ("line, 50 Mbit/s", "throughput", "ratio", "both ways at once", "echoes lost, %", "longest gap")
    for column in (*columns, "restarts", "over", "carries"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row.case.name,
            str(row.alone),
            f"{row.alone.ratio:.2f}",
            f"{row.at_once.ratio:.2f}",
            f"{row.echoes.lost:.1f} ({row.bare_echoes.lost:.1f})",
            f"{row.echoes.longest_gap:.2f} ({row.bare_echoes.longest_gap:.2f})",
            str(row.restarts),
            row.transport,
            " / ".join(str(one or "-") for one in row.carries),
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    asyncio.run(main())
