"""Lines of 80 columns: a label, and text that is folded beside it."""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta

WIDTH = 80
_LABEL = 12
_SCALE = ("bytes", "kB", "MB", "GB", "TB")


def entry(label: str, text: str) -> list[str]:
    """The text beside its label, folded; the label alone when there is no text."""
    folded = textwrap.wrap(text, WIDTH - _LABEL, break_on_hyphens=False) or [""]
    return [f"{label if index == 0 else '':{_LABEL}}{line}".rstrip() for index, line in enumerate(folded)]


def folded(text: str, *, indent: int) -> list[str]:
    """The text in lines, all but the first indented by so many columns."""
    lead = " " * indent
    return textwrap.wrap(text, WIDTH, subsequent_indent=lead, break_on_hyphens=False) or [""]


def moment(text: str, now: datetime) -> str:
    """A timestamp of the wire and how long ago it was or when it will be, for people."""
    when = datetime.fromisoformat(text)
    seconds = (now - when).total_seconds()
    day = "" if when.date() == now.date() else f"{when:%Y-%m-%d} "
    away = f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
    return f"{day}{when:%H:%M:%S} UTC, {away}"


def duration(seconds: float) -> str:
    """The two largest units: `3 h 5 min`."""
    left = timedelta(seconds=round(seconds))
    days, (hours, rest) = left.days, divmod(left.seconds, 3600)
    minutes, seconds_left = divmod(rest, 60)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds_left, "s")]
    first = next((index for index, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count) or "0 s"


def octets(count: int) -> str:
    """`1.2 MB`; decimal units."""
    value = float(count)
    for unit in _SCALE[:-1]:
        if value < 1000:  # noqa: PLR2004 - decimal units
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} {_SCALE[-1]}"
