"""What it costs to ask thousands of appliances how they are: `make bench-heartbeats`.

The watch, what it keeps and the store are real; the appliances answer in the same process, so that TLS is not
in it. Time is the watch's own: it goes on by a second from one look to the next.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.report import Figure, figure, publish
from benchmarks.watched_fleet import INTERVAL, World
from tests import stores

SIZES = (1_000, 10_000)
ROUNDS = 3


async def _measured(directory: str, number: int) -> tuple[float, list[tuple[float, int]]]:
    """What the first interval took, in which all are met and compared, and each of those after it."""
    world = World(stores.made(Path(directory) / f"{number}.db"), number)
    try:
        first, _ = await world.interval()
        return first, [await world.interval() for _ in range(ROUNDS)]
    finally:
        world.close()


def main() -> None:
    """Print and write the figures."""
    figures: list[Figure] = []
    each: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="causeway-heartbeats-") as directory:
        for number in SIZES:
            first, found = asyncio.run(_measured(directory, number))
            shares = [seconds / INTERVAL * 100 for seconds, _ in found]
            target = 10 if number == max(SIZES) else None
            what = f"{number:,} appliances"
            figures.append(figure(f"{what}: of a core", shares, "%", target=target, better="lower"))
            costs = [seconds / asked * 1e6 for seconds, asked in found]
            figures.append(figure(f"{what}: one look", costs, "µs", better="lower"))
            figures.append(figure(f"{what}: first interval", [first], "s", better="lower"))
            each[number] = min(costs)
    growth = each[max(SIZES)] / each[min(SIZES)]
    figures.append(figure("one look at 10,000 / at 1,000", [growth], "", target=1.2, better="lower"))
    publish("heartbeats", figures, note=f"asked every {INTERVAL} s, without TLS")


if __name__ == "__main__":
    main()
