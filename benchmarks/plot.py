"""Bars as SVG; draws `out/rules.json` as `docs/reference/public-rules.svg`: what public rules cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks import report

TARGET = Path(__file__).parents[1] / "docs/reference/public-rules.svg"
WIDTH, ROW, GAP, LEFT, RIGHT = 760, 22, 34, 230, 90
OURS, OTHERS = "#2563a8", "#b3b3b3"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its words, its figure, and whether it is ours."""

    label: str
    value: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of one unit below each other; `limit` is drawn as a line."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    limit: float | None = None


def main() -> None:
    """Draw what was measured last."""
    rows = json.loads((report.OUTPUT / "rules.json").read_text())
    pictures = charts({row["name"]: row for row in rows})
    title = "Public rules: connections, throughput and changes by size of the table"
    TARGET.write_text(draw(pictures, title=title), encoding="utf-8")


def charts(rows: Mapping[str, Mapping[str, object]]) -> tuple[Chart, ...]:
    """The pictures, from figures by name."""

    def bars(prefix: str, names: Sequence[str], *, ours: Sequence[str]) -> tuple[Bar, ...]:
        found = ((name, rows.get(prefix + name)) for name in names)
        return tuple(Bar(n, float(str(row["value"])), n in ours) for n, row in found if row is not None)

    rules = ("1 rule", "10,000 rules", "100,000 rules")
    paths = ("bare routing", *rules, "10,000 linear rules")
    sizes = ("10 rules", "10,000 rules", "100,000 rules")
    return tuple(
        chart
        for chart in (
            Chart("New connections through a table of", "1/s", bars("new connections, ", paths, ours=rules)),
            Chart(
                "An established flow through a table of",
                "Mbit/s",
                bars("established flow, ", paths, ours=rules),
            ),
            Chart(
                "One change through the API in a table of",
                "ms",
                bars("one change at ", sizes, ours=sizes),
                10,
            ),
        )
        if chart.bars
    )


def draw(pictures: Sequence[Chart], *, title: str) -> str:
    """The SVG document (SVG 1.1)."""
    parts, top = [], 10
    for chart in pictures:
        drawn, top = _chart(chart, top)
        parts += drawn
    style = "text { font: 12px sans-serif; fill: #222 } .title { font-weight: bold }"
    size = f'width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            f'<rect width="{WIDTH}" height="{top}" fill="#fff"/>',
            *parts,
            "</svg>\n",
        )
    )


def _chart(chart: Chart, top: int) -> tuple[list[str], int]:
    highest = max([bar.value for bar in chart.bars] + [chart.limit or 0.0]) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / highest
    parts = [f'<text class="title" x="10" y="{top + 14}">{escape(chart.title)}</text>']
    y = top + 24
    first = y
    for bar in chart.bars:
        length = max(bar.value * scale, 1)
        fill = OURS if bar.ours else OTHERS
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 7}" fill="{fill}"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{bar.value:,.4g} {escape(chart.unit)}</text>',
        ]
        y += ROW
    if chart.limit is not None:
        x = LEFT + chart.limit * scale
        parts.append(f'<path d="M{x:.1f} {first}V{y}" stroke="#c0392b" stroke-dasharray="4 3"/>')
        parts.append(f'<text x="{x - 4:.1f}" y="{y + 12}" text-anchor="end">target {chart.limit:g}</text>')
        y += 14
    return parts, y + GAP // 2


if __name__ == "__main__":
    main()
