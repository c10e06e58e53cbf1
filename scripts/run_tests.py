"""Run the test tiers one after another and end with one plain line and a true exit code.

Usage: run_tests.py [TIER ...]; without a name, unit, contract and kernel. A tier in which
no test ran has failed: a guard on nothing must not pass.

Workers share the files of a tier: one for each processor, and one more for kernel tests, which mostly wait,
for timers and for what must not happen, each in a sandbox of its own. A few that fail beside so many others
run once more, with the machine to themselves; the line of the tier names those that passed only then, and a
test that fails alone has failed.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wire", "agent", "controller", "lab")
PYTEST = (sys.executable, "-m", "pytest")
SANDBOXED = ROOT / "scripts/sandboxed-python"
WORKERS = os.cpu_count() or 1
BY_FILE = ("--dist=loadfile", "--no-loadscope-reorder")
"""In the order of `tests/conftest.py`."""
SHARED = ("-n", str(WORKERS), *BY_FILE)
SANDBOX = (sys.executable, "-m", "causeway_lab.sandbox", "--")
KERNEL = (
    "tests/kernel",
    *(
        name
        for name in sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py"))
        if not name.startswith("tests/kernel/") and b"mark.kernel" in (ROOT / name).read_bytes()
    ),
)
"""Workers would import all others, only to leave them out; `tests/conftest.py` refuses one that is missed."""
TIERS = {
    "unit": (*PYTEST, "tests/unit", *SHARED),
    "contract": (*PYTEST, "tests/contract", *SHARED),
    "kernel": (
        *PYTEST,
        "-m",
        "kernel",
        *KERNEL,
        *BY_FILE,
        f"--tx={WORKERS + 1}*popen//python={SANDBOXED}",
    ),
    "vsphere": (*PYTEST, "-m", "vsphere", "tests/vsphere"),
    "conformance": (*SANDBOX, *PYTEST, "-m", "conformance", "tests/conformance", "tests/hyperv"),
    # Not captured: who waits for machines to boot wants to see how far they are.
    "booted": (*SANDBOX, *PYTEST, "-m", "booted", "--capture=no", "tests/booted"),
}
USUAL = ("unit", "contract", "kernel")
ALONE = {"unit": PYTEST, "contract": PYTEST, "kernel": (str(SANDBOXED), "-m", "pytest", "-m", "kernel")}
FEW = 4
"""Files: failures in more are no accident of a busy machine. A lab that came up late fails one file."""


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
    passed = failed = skipped = 0
    for suite in suites(report):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        left_out = int(suite.get("skipped", 0))
        failed += bad
        skipped += left_out
        passed += max(int(suite.get("tests", 0)) - bad - left_out, 0)
    return Result(passed=passed, failed=failed, skipped=skipped)


def failures(report: Path) -> list[str]:
    """The failed tests in the report, as pytest takes them for arguments."""
    return sorted(
        {
            f"{case.get('file')}::{case.get('name')}"
            for suite in suites(report)
            for case in suite.iter("testcase")
            if case.find("failure") is not None or case.find("error") is not None
        }
    )


def suites(report: Path) -> list[ET.Element]:
    return list(ET.parse(report).getroot().iter("testsuite")) if report.exists() else []  # noqa: S314 - our own file


def pytest(command: Sequence[str], report: Path) -> Result:
    """Run pytest. A run that ends badly without a failed test (a crash, nothing collected) is one failure."""
    code = subprocess.run(
        # A short place: paths of sockets below it may have 107 characters (unix(7)).
        [*command, "-q", f"--junitxml={report}", f"--basetemp={report.with_suffix('')}"],
        cwd=ROOT,
        check=False,
        stdin=subprocess.DEVNULL,
    ).returncode
    result = counts(report)
    if result.failed == 0 and (code != 0 or result.passed == 0):
        result += Result(failed=1)
    return result


def run(tier: str, report: Path) -> Result:
    """One tier, and once more alone what may have failed because of its neighbours."""
    started = time.monotonic()
    result = pytest(TIERS[tier], report)
    told = ""
    first = failures(report) if tier in ALONE else []
    if first and len({name.partition("::")[0] for name in first}) <= FEW:
        print(f"{tier}: {result}; once more, alone: {', '.join(first)}", flush=True)
        report = report.with_name("alone.xml")
        again = pytest((*ALONE[tier], *first), report)
        result = Result(passed=result.passed + again.passed, failed=again.failed, skipped=result.skipped)
        told = f"; only alone: {again.passed} of {', '.join(first)}"
    print(f"{tier}: {result} in {time.monotonic() - started:.0f} s{told}", flush=True)
    return result


def main(names: list[str]) -> int:
    """Run the named tiers; the exit code is 0 only if every test passed."""
    if unknown := set(names) - set(TIERS):
        print(f"no such tier: {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}", file=sys.stderr)
        return 2
    # Tests start programs by the thousand, and each compiles what nobody compiled before.
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package / "src", quiet=1)
    total = Result()
    with tempfile.TemporaryDirectory() as directory:
        for tier in names or USUAL:
            print(f"== {tier}", flush=True)
            total += run(tier, Path(directory) / f"{tier}.xml")
    print(f"test: {total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
