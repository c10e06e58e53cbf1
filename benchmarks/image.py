"""The image: its size, how long it takes to build, and from the kernel's start to the agent's answer.

Times are the machine's own (systemd's timestamps, since the kernel began). The chart in docs/reference shows
where they went, unit by unit.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import boot_chart, report
from benchmarks.boot_chart import Span
from image import boot
from image.boot import Booted, Machine
from image.workshop import ROOT

RUNS = 2
"""Each is two boots: some minutes where they are emulated."""
TARGET = ROOT / "docs/reference/boot.svg"
AGENT, FIRST_BOOT = "causeway-agent.service", "causeway-boot-first.service"
_MILLION = 1e6
_BUILD_STEPS = ("wheels", "rootfs", "tree", "disk", "convert", "ova", "materials")
_SHOWN = 0.02
"""Units are drawn that took this part of the whole."""
_UNITS = (
    "systemctl show --property=Id,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,"
    "ExecMainStartTimestampMonotonic '*.service' '*.mount' '*.device' '*.target'"
)
_KERNEL = "systemctl show --property=UserspaceTimestampMonotonic --value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """One boot, in seconds since the kernel's start."""

    kernel: float
    """Kernel and initramfs were done: systemd begins."""
    agent_started: float
    ready: float
    units: tuple[Span, ...]
    """What came up until then."""


def main() -> int:
    """Measure and publish."""
    images = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    if not images:
        print("bench-image: there is no image yet: make image", file=sys.stderr)
        return 1
    chosen = boot.choose("auto")
    first, later = [], []
    for number in range(1, RUNS + 1):
        with boot.booted(images[-1], Machine(acceleration=chosen, seconds=900)) as machine:
            first.append(times(machine))
            machine.restarted()
            later.append(times(machine))
        told = f"first boot {first[-1].ready:.1f} s, later boot {later[-1].ready:.1f} s"
        print(f"bench-image: run {number} of {RUNS}: {told}", flush=True)
    figures = [*_sizes(images[-1]), *_boots("first boot", first), *_boots("later boot", later)]
    report.publish("image", figures, note=f"{images[-1].name}, 2 processors, {chosen.name}: {chosen.reason}")
    middle = sorted(later, key=lambda each: each.ready)[len(later) // 2]
    TARGET.write_text(boot_chart.draw(middle.units, middle.ready, title=_title(middle)), encoding="utf-8")
    print(f"bench-image: {TARGET.relative_to(ROOT)}")
    return 0


def times(machine: Booted) -> Times:
    """What systemd there noted of its own start."""
    kernel = int(machine.run(_KERNEL)) / _MILLION
    rows = [_properties(text) for text in machine.run(_UNITS).split("\n\n")]
    units = {row["Id"]: row for row in rows if "Id" in row}
    ready = _moment(units[AGENT], "ActiveEnterTimestampMonotonic")
    spans = [Span("kernel and initramfs", 0.0, kernel)]
    for name, row in units.items():
        span = Span(
            name,
            _moment(row, "InactiveExitTimestampMonotonic"),
            _moment(row, "ActiveEnterTimestampMonotonic"),
        )
        if 0 < span.start < span.end <= ready and (span.end - span.start > _SHOWN * ready or name == AGENT):
            spans.append(span)
    return Times(
        kernel=kernel,
        agent_started=_moment(units[AGENT], "ExecMainStartTimestampMonotonic"),
        ready=ready,
        units=tuple(sorted(spans, key=lambda each: (each.start, each.end))),
    )


def _properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _moment(row: dict[str, str], name: str) -> float:
    return int(row.get(name) or 0) / _MILLION


def _boots(kind: str, runs: list[Times]) -> list[report.Figure]:
    return [
        report.figure(
            f"{kind}, kernel start to API ready", [r.ready for r in runs], "s", target=45, better="lower"
        ),
        report.figure(f"{kind}, kernel and initramfs", [r.kernel for r in runs], "s", better="lower"),
        report.figure(
            f"{kind}, agent's own start", [r.ready - r.agent_started for r in runs], "s", better="lower"
        ),
        report.figure(
            f"{kind}, kernel start to API ready",
            [r.ready / r.kernel for r in runs],
            "times",
            target=3,
            better="lower",
            compared_with="kernel and initramfs",
        ),
    ]


def _sizes(image: Path) -> list[report.Figure]:
    name = image.name.removesuffix(".qcow2")
    figures = [
        report.figure(
            f"OVA, target {target:g}",
            [_megabytes(image.with_name(f"{name}.ova"))],
            "MB",
            target=target,
            better="lower",
        )
        for target in (100, 60)
    ]
    noted = ROOT / "build/image/times.json"
    if noted.exists():
        steps = json.loads(noted.read_text())
        took = [sum(steps[step] for step in _BUILD_STEPS if step in steps)]
        figures.append(report.figure("build from nothing", took, "s", target=240, better="lower"))
        if "gate" in steps:
            figures.append(report.figure("the gate", [steps["gate"]], "s", better="lower"))
    return figures


def _megabytes(path: Path) -> float:
    return path.stat().st_size / _MILLION


def _title(shown: Times) -> str:
    return f"A later boot, emulated: agent ready {shown.ready:.1f} s after the kernel's start"


if __name__ == "__main__":
    sys.exit(main())
