"""How soon a second controller acts when the first one is gone: `make bench-takeover`.

Real controllers over simulated appliances, each workflow's every boundary at once; the first effect of the
second one is counted from the moment when the first was killed or stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from benchmarks.report import Figure, figure, publish
from tests.controller_crash.__main__ import DATABASES, SIGNALS, databases
from tests.controller_crash.matrix import LEASE, Report, Round, all_cases

RUNS = 3
WORKFLOWS = ("fail-over", "fail-over-site")


def main() -> None:
    """Print and write the figures."""
    with tempfile.TemporaryDirectory(prefix="causeway-takeover-") as home, contextlib.ExitStack() as stack:
        url = databases(stack, list(DATABASES))
        cases, calm = asyncio.run(all_cases(Path(home), WORKFLOWS))
        found: dict[tuple[str, str], list[Report]] = {}
        for number in range(RUNS):
            for database in DATABASES:
                for name, sign in SIGNALS.items():
                    own = Path(home) / f"{number}-{database}-{name}"
                    own.mkdir()
                    one = Round(url(database, own), own, cases, calm)
                    found.setdefault((database, name), []).append(asyncio.run(one.run("after", sign)))
    publish("takeover", _figures(found), note=f"{len(cases)} runs each time, a lease of {LEASE:g} s")


def _figures(found: dict[tuple[str, str], list[Report]]) -> list[Figure]:
    figures = []
    for (database, name), reports in found.items():
        what = f"{database}, {name}"
        leases = [one.first_effect / LEASE for one in reports]
        figures += [
            figure(f"{what}: first effect", leases, "leases", target=2, better="lower"),
            figure(f"{what}: effects doubled", _counts(reports, "doubled"), "", target=0, better="lower"),
            figure(f"{what}: runs lost", _counts(reports, "lost"), "", target=0, better="lower"),
        ]
    return figures


def _counts(reports: list[Report], what: str) -> list[int]:
    return [len(getattr(one, what)) for one in reports]


if __name__ == "__main__":
    main()
