"""Draws what came up when in a boot, unit by unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 860, 20, 330, 70, 44
OURS, OTHERS = "#2563a8", "#b3b3b3"


@dataclass(frozen=True, slots=True)
class Span:
    """From when a unit began until it was up, in seconds since the kernel's start."""

    name: str
    start: float
    end: float


def draw(spans: Sequence[Span], whole: float, *, title: str) -> str:
    """The SVG document (SVG 1.1)."""
    scale = (WIDTH - LEFT - RIGHT) / whole
    height = TOP + ROW * len(spans) + 16
    parts = [f'<text class="title" x="10" y="18">{escape(title)}</text>']
    for second in range(0, math.ceil(whole), _step(whole)):
        x = LEFT + second * scale
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{height - 12}" stroke="#e4e4e4"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{TOP - 10}" text-anchor="middle">{second} s</text>')
    for index, span in enumerate(spans):
        y = TOP + index * ROW
        x, length = LEFT + span.start * scale, max((span.end - span.start) * scale, 1)
        fill = OURS if span.name.startswith(("causeway", "kernel")) else OTHERS
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(_short(span.name))}</text>',
            f'<rect x="{x:.1f}" y="{y + 3}" width="{length:.1f}" height="{ROW - 7}" fill="{fill}"/>',
            f'<text x="{x + length + 5:.1f}" y="{y + 13}">{span.end - span.start:.1f}</text>',
        ]
    style = "text { font: 12px sans-serif; fill: #222 } .title { font-weight: bold } .tick { fill: #888 }"
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *parts,
            "</svg>\n",
        )
    )


def _step(whole: float) -> int:
    """Seconds between two lines: at most ten of them."""
    return next(step for step in (1, 2, 5, 10, 20, 60, 600) if whole / step <= 10)  # noqa: PLR2004


def _short(name: str) -> str:
    """Units named after a partition say which kind they are at their end."""
    longest = 44
    return name if len(name) <= longest else f"{name[: longest - 14]}...{name[-12:]}"
