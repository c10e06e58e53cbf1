"""Draws `out/offload.json` as `docs/reference/offload.svg`: what a packet costs, by who carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import offload, plot, report
from benchmarks.plot import Bar, Chart

TARGET = Path(__file__).parents[1] / "docs/reference/offload.svg"
_PACKET = ": a packet, "
_RATIO = ": per processor second, "


def main() -> None:
    """Draw what was measured last."""
    rows = json.loads((report.OUTPUT / "offload.json").read_text())
    title = (
        "A packet through a tunnel: OpenVPN by its process and by the kernel, and other tunnels of the kernel"
    )
    TARGET.write_text(plot.draw(charts(rows), title=title), encoding="utf-8")


def charts(rows: Sequence[Mapping[str, object]]) -> tuple[Chart, ...]:
    """What a packet costs, a picture for each IP version and number of flows; how much more is carried."""
    places = [
        name.partition(_PACKET)[0] for name in map(_name, rows) if name.endswith(_PACKET + offload.KINDS[0])
    ]
    return (*(_costs(place, rows) for place in places), _ratios(rows))


def _costs(place: str, rows: Sequence[Mapping[str, object]]) -> Chart:
    found = [row for row in rows if _name(row).startswith(place + _PACKET)]
    bars = tuple(_bar(_name(row).partition(_PACKET)[2], row, ours="offload") for row in found)
    return Chart(f"One segment, {place}", str(found[0]["unit"]), bars)


def _ratios(rows: Sequence[Mapping[str, object]]) -> Chart:
    found = [(*_name(row).partition(_RATIO), row) for row in rows if _RATIO in _name(row)]
    bars = tuple(
        _bar(f"{place}, {kind}", row, ours=f"{place}, offload")
        for place, _, rest, row in found
        for kind in (rest.removesuffix(" / user space"),)
    )
    return Chart("Carried by the same work: kernel / OpenVPN's process", "times", bars, offload.TARGET)


def _bar(label: str, row: Mapping[str, object], *, ours: str) -> Bar:
    return Bar(label, float(str(row["value"])), label == ours)


def _name(row: Mapping[str, object]) -> str:
    return str(row["name"])


if __name__ == "__main__":
    main()
