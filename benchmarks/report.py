"""Figures of one benchmark: a table for people, `out/NAME.json` for machines.

A benchmark measures and does not judge: it ends with exit code 0 whether or not targets are met.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

OUTPUT = Path(__file__).parent / "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure: the median of `runs`, and the target it is held against."""

    name: str
    value: float
    unit: str
    target: float | None
    better: Literal["higher", "lower"]
    runs: tuple[float, ...]
    compared_with: str | None = None
    """What the other side of a ratio is, measured in the same run."""

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.better == "higher" else self.value <= self.target


def figure(
    name: str,
    runs: Sequence[float],
    unit: str,
    *,
    target: float | None = None,
    better: Literal["higher", "lower"],
    compared_with: str | None = None,
) -> Figure:
    """The figure whose value is the median of the runs."""
    return Figure(
        name=name,
        value=statistics.median(runs),
        unit=unit,
        target=target,
        better=better,
        runs=tuple(runs),
        compared_with=compared_with,
    )


def publish(name: str, figures: Sequence[Figure], *, note: str = "") -> None:
    """Print the table and write `out/NAME.json`."""
    table = Table(title=f"bench-{name}", caption=note or None)
    for column in ("figure", "median", "unit", "target", "met", "runs", "compared with"):
        table.add_column(column)
    for item in figures:
        sign = "≥" if item.better == "higher" else "≤"
        table.add_row(
            item.name,
            f"{item.value:.4g}",
            item.unit,
            f"{sign} {item.target:g}" if item.target is not None else "",
            {True: "yes", False: "NO", None: ""}[item.ok],
            " ".join(f"{run:.3g}" for run in item.runs),
            item.compared_with or "",
        )
    Console(width=140).print(table)
    write(name, figures)


def write(name: str, figures: Sequence[Figure]) -> None:
    """Write `out/NAME.json`."""
    OUTPUT.mkdir(exist_ok=True)
    rows = [{**asdict(item), "runs": list(item.runs), "ok": item.ok} for item in figures]
    (OUTPUT / f"{name}.json").write_text(json.dumps(rows, indent=2) + "\n")
