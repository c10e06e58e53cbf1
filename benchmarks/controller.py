"""A thousand tenants that fail over at once through one controller: `make bench-controller`.

Appliances and hypervisor are simulated, in a process beside it that needs a good part of the machine itself;
engine, store and lease are real. `CAUSEWAY_TENANTS` is how many. Then the same of tenants that joined.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

from benchmarks import joined
from benchmarks.report import Figure, figure, publish
from causeway_controller.workflows.leases import SECONDS
from tests.controller_crash.__main__ import DATABASES, databases
from tests.controller_crash.matrix import Case, Round, Used, all_cases

RUNS = 3
WORKFLOW = "fail-over"
TENANTS = int(os.environ.get("CAUSEWAY_TENANTS", "1000"))
PATIENCE = 600.0


def main() -> None:
    """Print and write the figures."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="causeway-storm-") as home, contextlib.ExitStack() as stack:
        url = databases(stack, list(DATABASES))
        _, calm = asyncio.run(all_cases(Path(home), [WORKFLOW]))
        cases = [Case(WORKFLOW, f"tenant {number}") for number in range(TENANTS)]
        for database in DATABASES:
            found = []
            for number in range(RUNS):
                own = Path(home) / f"{number}-{database}"
                own.mkdir()
                one = Round(url(database, own), own, cases, calm, patience=PATIENCE, lease=SECONDS)
                found.append(asyncio.run(one.run_calmly()))
            figures += _figures(database, found)
    publish(
        "controller", figures, note=f"{TENANTS} tenants; the simulated appliances have the same two cores"
    )
    joined.main()


def _figures(database: str, found: list[Used]) -> list[Figure]:
    return [
        figure(f"{database}: all done", [one.seconds for one in found], "s", target=60, better="lower"),
        figure(f"{database}: CPU", [one.cpu for one in found], "s", target=20, better="lower"),
        figure(f"{database}: memory", [one.peak for one in found], "MiB", target=150, better="lower"),
        figure(f"{database}: memory, idle", [one.idle for one in found], "MiB", target=120, better="lower"),
        figure(f"{database}: runs lost", [len(one.lost) for one in found], "", target=0, better="lower"),
    ]


if __name__ == "__main__":
    main()
