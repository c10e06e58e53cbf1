"""Draws `out/growth.json` as `docs/reference/growth.svg`: cost over size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import plot, report
from benchmarks.plot import Bar, Chart

TARGET = Path(__file__).parents[1] / "docs/reference/growth.svg"
_KINDS = (
    "VMs, tenant appliance",
    "VMs, provider appliance",
    "networks, provider appliance",
    "tenants, gateway",
)
_COSTS = {
    "applied": "seconds until all are in force",
    "one more": "seconds until one more is",
    "first packet": "one first packet",
}


def main() -> None:
    """Draw what was measured last."""
    rows = json.loads((report.OUTPUT / "growth.json").read_text())
    title = "Growth: what a document costs by the size of what it says"
    TARGET.write_text(plot.draw(charts(rows), title=title), encoding="utf-8")


def charts(rows: Sequence[Mapping[str, object]]) -> tuple[Chart, ...]:
    """A picture for each kind and cost that was measured, a bar for each size."""
    pairs = ((kind, cost) for kind in _KINDS for cost in _COSTS)
    drawn = (_chart(kind, cost, rows) for kind, cost in pairs)
    return tuple(chart for chart in drawn if chart.bars)


def _chart(kind: str, cost: str, rows: Sequence[Mapping[str, object]]) -> Chart:
    end = f" {kind}: {cost}"
    found = [(str(row["name"]), row) for row in rows if str(row["name"]).endswith(end)]
    bars = tuple(Bar(name.removesuffix(end), float(str(row["value"])), ours=True) for name, row in found)
    limit = next((float(str(row["target"])) for _, row in found if row["target"] is not None), None)
    unit = next((str(row["unit"]) for _, row in found), "")
    return Chart(f"{kind}: {_COSTS[cost]}", unit, bars, limit)
