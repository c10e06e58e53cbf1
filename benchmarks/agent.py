"""The agent as a process: resident memory, start to ready, idle CPU, per role, on working appliances.

Its Python environment holds the packages that the image installs and no others (`scripts/setup agent`):
beside the controller's, some libraries would load more. As in the image, nothing is compiled at a start, the
methods of dataclasses included.
"""

from __future__ import annotations

import asyncio
import compileall
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import report, world
from causeway_agent import compiled
from causeway_controller.errors import AgentUnreachable
from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world import topology

RUNS = 3
_IDLE_SECONDS = 20.0
ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-agent/bin/python"
_RECORD = """
from causeway_agent import compiled

with compiled.recorded():
    import causeway_agent.__main__ as main

    main.load_lean()
    import causeway_agent.app, causeway_agent.first_boot.machine
"""


async def main() -> None:
    """Measure and publish."""
    site = topology.build(tenants=1, networks=1, gateways=1)
    with _compiled():
        await _measure(site)


@contextlib.contextmanager
def _compiled() -> Iterator[None]:
    """Have what an agent loads compiled beforehand, while the block runs (image/elements/causeway-slim)."""
    for package in ("wire", "agent"):
        compileall.compile_dir(ROOT / package / "src", quiet=1)
    try:
        subprocess.run([PYTHON, "-c", _RECORD], check=True)
        yield
    finally:
        compiled.FILE.unlink(missing_ok=True)


async def _measure(site: topology.Topology) -> None:
    async with world.lab(site, agent_python=PYTHON) as lab:
        tenant = lab.tenant("acme")
        machines = {
            "provider": tenant.provider.id,
            "tenant": tenant.appliances["net1"].id,
            "gateway": lab.topology.gateways[0].id,
        }
        starts = [await _restart(lab, machines["tenant"]) for _ in range(RUNS)]
        await drill.fail_over(lab, [world.VM])
        await world.settle(3)
        idle = await _idle(lab, list(machines.values()))
        figures = [report.figure("start to ready, tenant", starts, "s", target=0.5, better="lower")]
        for role, name in machines.items():
            memory = [world.resident_megabytes(_pid(lab, name)) for _ in range(RUNS)]
            figures += [
                report.figure(f"resident memory, {role}", memory, "MB", target=45, better="lower"),
                report.figure(f"idle CPU, {role}", idle[name], "% of a core", target=0.4, better="lower"),
            ]
            worker = sum(map(world.resident_megabytes, _workers(name)))
            figures.append(report.figure(f"nft worker's memory, {role}", [worker], "MB", better="lower"))
    report.publish("agent", figures, note=f"idle CPU over {_IDLE_SECONDS:g} s in partial failover")


async def _restart(lab: Lab, name: str) -> float:
    """Seconds from process start to `ready`, the machine freshly powered on."""
    await lab.hypervisor.power(name, on=False, grace=0)
    started = time.monotonic()
    await lab.hypervisor.power(name, on=True, grace=0)
    while True:
        try:
            if (await lab.agent(name).ready()).healthy:
                return time.monotonic() - started
        except AgentUnreachable:
            await asyncio.sleep(0.005)


async def _idle(lab: Lab, names: list[str]) -> dict[str, list[float]]:
    """Percent of a core that each agent uses while nothing happens, `RUNS` times."""
    shares: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(RUNS):
        before = {name: world.cpu_seconds(_pid(lab, name)) for name in names}
        await asyncio.sleep(_IDLE_SECONDS)
        for name in names:
            used = world.cpu_seconds(_pid(lab, name)) - before[name]
            shares[name].append(100 * used / _IDLE_SECONDS)
    return shares


def _pid(lab: Lab, name: str) -> int:
    pid = lab.agent_pid(name)
    if pid is None:
        raise ProcessLookupError(name)
    return pid


def _workers(name: str) -> list[int]:
    """The nft worker below the agent; it names itself."""
    return world.pids(name, "causeway-nft")


if __name__ == "__main__":
    asyncio.run(main())
