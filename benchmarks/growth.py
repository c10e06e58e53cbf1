"""Growth: what a document costs by the size of what it says, and what one more costs at that size.

Failed-over VMs on a tenant's and on a provider's appliance, networks on a provider's, tenants on a gateway
(`growth_gateway`). Real agents, kernels and VPN processes; seconds are what a controller waits, from its
command until the agent has verified the result, claims probed for and announced. Each size is applied to an
appliance in a partial failover of one VM, or with one network, with its tunnel up, and taken back afterwards.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks import growth_gateway, growth_plot, report, world
from causeway_lab import sandbox
from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world import pace, topology
from causeway_wire.desired import Desired
from causeway_wire.types import ApplianceId
from tests import large_failovers

VMS = (1, 10, 100, 1000)
NETWORKS = (1, 10, 40)
APPLY, ONE_MORE, FIRST_PACKET = 3.0, 0.5, 100.0
"""Targets: seconds, seconds, microseconds."""
PARTS = ("vms", "networks", "gateway")
_PATIENCE = replace(pace.PROCESSES, apply=120.0)

Grown = Callable[[Desired, int], Desired]


async def main(parts: Sequence[str]) -> None:
    """Measure these parts and publish; the picture is of all of them."""
    figures: list[report.Figure] = []
    if "vms" in parts or "networks" in parts:
        figures += await _appliances(parts)
    if "gateway" in parts:
        figures += _gateway(_gateway_rows())
    report.publish("growth", figures, note="one host plays all machines: times are upper bounds")
    if set(parts) == set(PARTS):
        growth_plot.main()


async def _appliances(parts: Sequence[str]) -> list[report.Figure]:
    built = topology.build(tenants=1, networks=1, gateways=1)
    tenant = built.tenants["acme"]
    provider, nea = tenant.provider.id, tenant.appliances["net1"].id
    wired = large_failovers.with_adapters(built, provider, max(NETWORKS))
    figures = []
    async with world.lab(wired, speed=_PATIENCE) as lab:
        await drill.fail_over(lab, [world.VM])
        if "vms" in parts:
            figures += await _rows(lab, provider, "VMs, provider appliance", VMS, large_failovers.with_vms)
            figures += await _rows(lab, nea, "VMs, tenant appliance", VMS, large_failovers.with_vms)
        if "networks" in parts:
            figures += await _rows(
                lab, provider, "networks, provider appliance", NETWORKS, large_failovers.with_networks
            )
    return figures


async def _rows(
    lab: Lab, appliance: ApplianceId, what: str, sizes: Sequence[int], grown: Grown
) -> list[report.Figure]:
    figures = []
    for size in sizes:
        applied = await _put(lab, appliance, _sized(grown, size))
        more = await _put(lab, appliance, _sized(grown, size + 1))
        back = await _put(lab, appliance, lambda document: document)
        print(f"{size:,} {what}: {applied:.2f} s, one more {more:.2f} s, back {back:.2f} s", flush=True)
        name = f"{size:,} {what}"
        figures += _applied(name, applied, more)
        figures.append(report.figure(f"{name}: taken back", [back], "s", better="lower"))
    return figures


def _sized(grown: Grown, size: int) -> Callable[[Desired], Desired]:
    return lambda document: grown(document, size)


async def _put(lab: Lab, appliance: ApplianceId, change: Callable[[Desired], Desired]) -> float:
    """Seconds until the document is in force."""
    began = time.monotonic()
    await lab.put(appliance, change)
    took = time.monotonic() - began
    await world.settle(0.5)
    return took


def _gateway_rows() -> list[growth_gateway.Row]:
    """The rows, measured in a sandbox of their own: it is as large as one lab."""
    command = sandbox.command(sys.executable, "-m", "benchmarks.growth_gateway")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as measuring:
        assert measuring.stdout is not None  # noqa: S101 - it is a pipe
        rows = [_shown(growth_gateway.Row(**json.loads(line))) for line in measuring.stdout]
    if measuring.returncode:
        raise subprocess.CalledProcessError(measuring.returncode, command)
    return rows


def _shown(row: growth_gateway.Row) -> growth_gateway.Row:
    print(
        f"{row.tenants:,} tenants, gateway: {row.apply_seconds:.2f} s, one more {row.one_more_seconds:.2f} s",
        flush=True,
    )
    return row


def _gateway(rows: Sequence[growth_gateway.Row]) -> list[report.Figure]:
    figures = []
    for row in rows:
        name = f"{row.tenants:,} tenants, gateway"
        figures += _applied(name, row.apply_seconds, row.one_more_seconds)
        for what, spent, target in (
            ("first packet", row.first_packet_us, FIRST_PACKET),
            ("first packet with a copied tag", row.copied_tag_us, None),
            ("first packet of a stranger", row.stranger_us, None),
        ):
            figures.append(report.figure(f"{name}: {what}", [spent], "µs", target=target, better="lower"))
        for what, waited in (("quiet", row.api_quiet_ms), ("400 forged/s", row.api_flooded_ms)):
            figures.append(report.figure(f"{name}: API, {what}", [waited], "ms", better="lower"))
    return figures


def _applied(name: str, applied: float, more: float) -> list[report.Figure]:
    return [
        report.figure(f"{name}: applied", [applied], "s", target=APPLY, better="lower"),
        report.figure(f"{name}: one more", [more], "s", target=ONE_MORE, better="lower"),
    ]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or PARTS))
