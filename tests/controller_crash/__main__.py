"""Kill controllers at every boundary of every workflow, and look what a second one makes of it.

    python -m tests.controller_crash [--moments before,after] [--signals kill,stop] [--databases sqlite]

For each boundary of a stage, three moments: before its effects, after them but before they are remembered,
and after that. A controller carries all workflows to their boundaries at once and is killed there with -9, or
stopped, and woken when the second one has begun. An effect is a change that a stage makes to one thing in the
world. It is doubled when it happens again although nobody took it back; a call that finds the world so
already is a repeat; what was cancelled and made again is remade. A run is lost when it does not end as it
does when nobody is killed. `zombie` is of the one that was stopped: calls accepted after that, and refused.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests import postgres
from tests.controller_crash.chores import CHORES
from tests.controller_crash.matrix import MOMENTS, Report, Round, all_cases
from tests.workflows import SEQUENCES

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
DATABASES = ("sqlite", "postgresql")
HEAD = ("database", "signal", "moment", "cases", "effects", "repeats", "remade", "lost", "doubled", "zombie")


def main() -> int:
    """Print a line for each round; 0 only when nothing was lost, doubled, or done by one taken for dead."""
    text = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m tests.controller_crash", description=text)
    parser.add_argument("--moments", default=",".join(MOMENTS), help="default: %(default)s")
    parser.add_argument("--signals", default=",".join(SIGNALS), help="default: %(default)s")
    parser.add_argument("--databases", default=",".join(DATABASES), help="default: %(default)s")
    parser.add_argument("--workflows", default=",".join((*SEQUENCES, *CHORES)), help="default: all")
    options = parser.parse_args()
    chosen = [each.split(",") for each in (options.databases, options.signals, options.moments)]
    reports = []
    with tempfile.TemporaryDirectory(prefix="causeway-crash-") as directory, contextlib.ExitStack() as stack:
        cases, calm = asyncio.run(all_cases(Path(directory), options.workflows.split(",")))
        _say(" ".join(f"{word:>10}" for word in HEAD))
        url = databases(stack, options.databases.split(","))
        for database, sign, moment in itertools.product(*chosen):
            own = Path(directory) / f"{database}-{sign}-{moment}"
            own.mkdir()
            report = asyncio.run(Round(url(database, own), own, cases, calm).run(moment, SIGNALS[sign]))
            reports.append(report)
            _tell(database, sign, moment, report)
    return _sum_up(reports)


def databases(stack: contextlib.ExitStack, wanted: list[str]) -> Callable[[str, Path], str]:
    """Return what makes an empty database of a kind; a server of PostgreSQL runs as long as `stack`."""
    home = stack.enter_context(postgres.running()) if "postgresql" in wanted else None
    numbers = itertools.count()

    def url(kind: str, directory: Path) -> str:
        if kind == "sqlite" or home is None:
            return f"sqlite:///{directory}/causeway.db"
        return postgres.create(home, f"crash{next(numbers)}")

    return url


def _tell(database: str, sign: str, moment: str, report: Report) -> None:
    counts = (
        report.cases,
        report.effects,
        report.repeats,
        report.remade,
        len(report.lost),
        len(report.doubled),
    )
    zombie = f"{report.zombie_accepted}/{report.zombie_refused}"
    _say(" ".join(f"{word:>10}" for word in (database, sign, moment, *counts, zombie)))
    for sentence in (*report.lost, *report.doubled):
        _say(f"BROKEN {sentence}")


def _sum_up(reports: list[Report]) -> int:
    cases = sum(report.cases for report in reports)
    lost, doubled = (sum(len(getattr(one, what)) for one in reports) for what in ("lost", "doubled"))
    zombie = sum(report.zombie_accepted for report in reports)
    slowest = max(report.first_effect for report in reports)
    _say(
        f"crash-matrix: {cases} controllers' deaths in {len(reports)} rounds, {lost} runs lost, {doubled} "
        f"effects doubled, {zombie} by one taken for dead; "
        f"the second one's first effect came after {slowest:.1f} s at most"
    )
    return 1 if lost or doubled or zombie else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
