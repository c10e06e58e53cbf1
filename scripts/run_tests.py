"""Run the test tiers one after another and end with one plain line and a true exit code.

Usage: run_tests.py [TIER ...]; without a name, every tier but `booted`, which takes minutes. A tier in which
no test ran has failed: a guard on nothing must not pass.

Kernel tests mostly wait, for timers and for what must not happen: several workers share the files, each in a
sandbox of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = (sys.executable, "-m", "pytest")
SANDBOXED = ROOT / "scripts/sandboxed-python"
WORKERS = (os.cpu_count() or 1) + 1
SANDBOX = (sys.executable, "-m", "causeway_controller.lab.sandbox", "--")
TIERS = {
    "unit": (*PYTEST, "tests/unit"),
    "contract": (*PYTEST, "tests/contract"),
    "kernel": (
        *PYTEST,
        "-m",
        "kernel",
        "tests",
        "--dist=loadfile",
        f"--tx={WORKERS}*popen//python={SANDBOXED}",
    ),
    # Not captured: who waits for machines to boot wants to see how far they are.
    "booted": (*SANDBOX, *PYTEST, "-m", "booted", "--capture=no", "tests/booted"),
}
USUAL = ("unit", "contract", "kernel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one tier, or all of them together, ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Result) -> Result:
        return Result(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def counts(report: Path) -> Result:
    """The counts in pytest's JUnit report; nothing when the run ended before writing one."""
    if not report.exists():
        return Result()
    passed = failed = skipped = 0
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own file
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        left_out = int(suite.get("skipped", 0))
        failed += bad
        skipped += left_out
        passed += max(int(suite.get("tests", 0)) - bad - left_out, 0)
    return Result(passed=passed, failed=failed, skipped=skipped)


def run(tier: str, report: Path) -> Result:
    """One tier. A run that ends badly without a failed test (a crash, nothing collected) is one failure."""
    started = time.monotonic()
    code = subprocess.run(
        # A short place: paths of sockets below it may have 107 characters (unix(7)).
        [*TIERS[tier], "-q", f"--junitxml={report}", f"--basetemp={report.with_suffix('')}"],
        cwd=ROOT,
        check=False,
        stdin=subprocess.DEVNULL,
    ).returncode
    result = counts(report)
    if result.passed == 0 or (code != 0 and result.failed == 0):
        result += Result(failed=1)
    print(f"{tier}: {result} in {time.monotonic() - started:.0f} s", flush=True)
    return result


def main(names: list[str]) -> int:
    """Run the named tiers; the exit code is 0 only if every test passed."""
    if unknown := set(names) - set(TIERS):
        print(f"no such tier: {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}", file=sys.stderr)
        return 2
    total = Result()
    with tempfile.TemporaryDirectory() as directory:
        for tier in names or USUAL:
            print(f"== {tier}", flush=True)
            total += run(tier, Path(directory) / f"{tier}.xml")
    print(f"test: {total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
