"""The image: its size, memory, how long it takes to build, and from the kernel's start to the agent's answer.

Times are the machine's own (systemd's timestamps, since the kernel began), and in processor seconds QEMU's:
those are steadier where others use the same processors. The chart in docs/reference shows where they went,
unit by unit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import boot_chart, processor, report
from benchmarks.boot_chart import Span
from benchmarks.processor import Meter
from image import boot, layout
from image.boot import Booted, Machine
from image.workshop import ROOT

RUNS = 3
"""Each is two boots: some minutes where they are emulated."""
MEBIBYTES = 512
"""Memory, as small as an appliance usually is."""
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
_USED = "free -m | awk '/^Mem:/ {print $3}'"
_KERNEL = "systemctl show --property=UserspaceTimestampMonotonic --value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """One boot, in seconds since the kernel's start."""

    kernel: float
    """Kernel and initramfs were done: systemd begins."""
    agent_started: float
    ready: float
    processor: float
    """Processor seconds of QEMU from the kernel's start until the agent was ready."""
    used: float
    """MiB of memory then and a little later, as free(1) says."""
    units: tuple[Span, ...]
    """What came up until then."""


def main() -> int:
    """Measure and publish."""
    images = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    if not images:
        print("bench-image: there is no image yet: make image", file=sys.stderr)
        return 1
    chosen = boot.choose("auto")
    first, later, bare = [], [], []
    with tempfile.TemporaryDirectory(prefix="causeway-bench-") as name:
        kernel = _kernel_of(images[-1], Path(name))
        for number in range(1, RUNS + 1):
            bare.append(processor.bare(kernel, chosen))
            machine = Machine(acceleration=chosen, seconds=900, mebibytes=MEBIBYTES)
            meter = Meter()
            with closing(meter), boot.booted(images[-1], machine, started=meter.begin) as up:
                first.append(times(up, meter))
                up.restarted()
                later.append(times(up, meter))
            told = ", ".join(
                f"{kind} {each.processor:.1f} processor seconds ({each.ready:.1f} s)"
                for kind, each in (("first boot", first[-1]), ("later boot", later[-1]))
            )
            print(f"bench-image: run {number} of {RUNS}: bare kernel {bare[-1]:.1f}, {told}", flush=True)
    figures = [
        *_sizes(images[-1]),
        *_boots("first boot", first, bare),
        *_boots("later boot", later, bare),
        report.figure("bare kernel", bare, "processor s", better="lower"),
    ]
    report.publish("image", figures, note=f"{images[-1].name}, 2 processors, {chosen.name}: {chosen.reason}")
    middle = sorted(later, key=lambda each: each.ready)[len(later) // 2]
    TARGET.write_text(boot_chart.draw(middle.units, middle.ready, title=_title(middle)), encoding="utf-8")
    print(f"bench-image: {TARGET.relative_to(ROOT)}")
    return 0


def _kernel_of(image: Path, work: Path) -> Path:
    """The kernel in the image's slot a."""
    esp = work / "esp.img"
    part = f"offset={layout.starts()[layout.ESP.name] * layout.MIB},size={layout.ESP.mebibytes * layout.MIB}"
    source = f"driver=raw,{part},file.driver=qcow2,file.file.filename={image}"
    subprocess.run(["qemu-img", "convert", "--image-opts", "-O", "raw", source, esp], check=True)
    subprocess.run(["mcopy", "-n", "-i", esp, "::/causeway/a/linux", work / "linux"], check=True)
    return work / "linux"


def times(machine: Booted, meter: Meter) -> Times:
    """What systemd there noted of its own start, and what QEMU took for it."""
    used = float(machine.run(_USED))
    began = time.monotonic() - float(machine.run("cut -d' ' -f1 /proc/uptime"))
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
        processor=meter.until(began + ready) - meter.until(began),
        used=used,
        units=tuple(sorted(spans, key=lambda each: (each.start, each.end))),
    )


def _properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _moment(row: dict[str, str], name: str) -> float:
    return int(row.get(name) or 0) / _MILLION


def _boots(kind: str, runs: list[Times], bare: list[float]) -> list[report.Figure]:
    whole = f"{kind}, kernel start to API ready"
    return [
        report.figure(whole, [r.processor for r in runs], "processor s", target=40, better="lower"),
        report.figure(
            whole,
            [r.processor / b for r, b in zip(runs, bare, strict=True)],
            "times",
            target=10,
            better="lower",
            compared_with="bare kernel",
        ),
        report.figure(
            f"{kind}, memory used, of {MEBIBYTES}", [r.used for r in runs], "MiB", target=120, better="lower"
        ),
        report.figure(whole, [r.ready for r in runs], "s", better="lower"),
        report.figure(f"{kind}, kernel and initramfs", [r.kernel for r in runs], "s", better="lower"),
        report.figure(
            f"{kind}, agent's own start", [r.ready - r.agent_started for r in runs], "s", better="lower"
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
