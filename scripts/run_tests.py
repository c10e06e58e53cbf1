"""Run the test tiers one after another and end with one plain line and a true exit code.

Usage: run_tests.py [TIER ...]; without a name, unit, contract and kernel. A tier in which
no test ran has failed: a guard on nothing must not pass.

Workers share the files of a tier: one for each processor, and some more where tests wait, for timers and for
what must not happen. Kernel tests wait most, each worker in a sandbox of its own: their tier runs behind the
others, which use what it leaves of the processors (nice(1)); what it says is shown when they are over.

A few that fail beside so many others run once more at the end, with the machine to themselves; a line names
those that passed only then, and a test that fails alone has failed.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wire", "agent", "controller", "lab")
PYTEST = (sys.executable, "-m", "pytest")
SANDBOXED = ROOT / "scripts/sandboxed-python"
WORKERS = os.cpu_count() or 1
BY_FILE = ("--dist=loadfile", "--no-loadscope-reorder", "-o", "tmp_path_retention_policy=failed")
"""In the order of `tests/conftest.py`. Of what tests write, that of the failed ones is kept."""
COMPUTING = ("-n", str(WORKERS), *BY_FILE)
HALF_WAITING = ("-n", str(WORKERS + 1), *BY_FILE)
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
    "unit": (*PYTEST, "tests/unit", *COMPUTING),
    "contract": (*PYTEST, "tests/contract", *HALF_WAITING),
    "kernel": (
        *PYTEST,
        "-m",
        "kernel",
        *KERNEL,
        *BY_FILE,
        f"--tx={WORKERS + 2}*popen//python={SANDBOXED}",
    ),
    "vsphere": (*PYTEST, "-m", "vsphere", "tests/vsphere"),
    "conformance": (*SANDBOX, *PYTEST, "-m", "conformance", "tests/conformance", "tests/hyperv"),
    # Not captured: who waits for machines to boot wants to see how far they are.
    "booted": (*SANDBOX, *PYTEST, "-m", "booted", "--capture=no", "tests/booted"),
}
USUAL = ("unit", "contract", "kernel")
WAITING = "kernel"
BESIDE_IT = ("nice", "-n", "10")
"""Some kernel tests look that something is stopped within a second; the others compute all that they can."""
ALONE = {
    "unit": PYTEST,
    "contract": PYTEST,
    "kernel": (str(SANDBOXED), "-m", "pytest", "-m", "kernel"),
    "conformance": (*SANDBOX, *PYTEST, "-m", "conformance"),
}
FEW = 8
"""Files: failures in more are no accident of a busy machine. A lab that came up late fails one file."""
MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
ROOM = 2 << 30
"""Octets that must be free there; all tiers together write a tenth of that, for what passed is removed."""
OFTEN = 0.2
"""Seconds between two looks at what a tier in the background says."""


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


@dataclass(kw_only=True)
class Run:
    """One tier: its run beside others, and once more alone what may have failed because of them."""

    tier: str
    report: Path
    beside: tuple[str, ...] = ()
    result: Result = Result()
    seconds: float = 0.0
    failed: Sequence[str] = ()
    """What is to run once more."""

    def here(self) -> None:
        """Run it in the foreground."""
        print(f"== {self.tier}", flush=True)
        with self._timed():
            self._ended(run(self._command))

    @contextlib.contextmanager
    def in_the_background(self) -> Iterator[None]:
        """Run it while the block does, and then show what it says until it ends."""
        said = self.report.with_suffix(".said")
        with self._timed(), said.open("wb") as out, said.open("rb") as told:
            with subprocess.Popen(
                self._command,
                env=environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            ) as process:
                try:
                    yield
                    print(f"== {self.tier}", flush=True)
                    while process.poll() is None:
                        show(told.read())
                        time.sleep(OFTEN)
                except BaseException:
                    process.send_signal(signal.SIGINT)  # it ends its workers
                    raise
            show(told.read())
            self._ended(process.returncode)

    def again(self) -> None:
        """Run once more, with the machine to themselves, the few that failed."""
        if self.failed:
            report = self.report.with_name(f"{self.tier}-alone.xml")
            command = (*ALONE[self.tier], *self.failed, *written(report))
            again = counted(report, run(command))
            self.result = Result(
                passed=self.result.passed + again.passed, failed=again.failed, skipped=self.result.skipped
            )
            names = ", ".join(self.failed)
            print(f"{self.tier}: {self.result}; only alone: {again.passed} of {names}", flush=True)

    @property
    def _command(self) -> tuple[str, ...]:
        return (*self.beside, *TIERS[self.tier], *written(self.report))

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds = time.monotonic() - started
        more = f"; once more at the end, alone: {', '.join(self.failed)}" if self.failed else ""
        print(f"{self.tier}: {self.result} in {self.seconds:.0f} s{more}", flush=True)

    def _ended(self, code: int) -> None:
        self.result = counted(self.report, code)
        failed = failures(self.report) if self.tier in ALONE else []
        self.failed = failed if len({name.partition("::")[0] for name in failed}) <= FEW else ()


def run(command: Sequence[str]) -> int:
    """Run it in the foreground; its exit code."""
    done = subprocess.run(command, env=environment(), cwd=ROOT, check=False, stdin=subprocess.DEVNULL)
    return done.returncode


def written(report: Path) -> tuple[str, ...]:
    """Options: where pytest writes its report, and its tests what they write."""
    # A short place: paths of sockets below it may have 107 characters (unix(7)).
    place = report.with_name(report.name[0])
    return ("-q", f"--junitxml={report}", f"--basetemp={place}")


def counted(report: Path, code: int) -> Result:
    """How a run ended. A bad end without a failed test (a crash, nothing collected) is one failure."""
    result = counts(report)
    if result.failed == 0 and (code != 0 or result.passed == 0):
        result += Result(failed=1)
    return result


def environment() -> dict[str, str]:
    """Ours, but what one worker compiled the next one finds."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def show(said: bytes) -> None:
    sys.stdout.buffer.write(said)
    sys.stdout.buffer.flush()


def memory() -> Path | None:
    """A place for what tests write where nothing waits for a disk: stores sync each commit. None without one.

    In containers it may be small, or have no programs run.
    """
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return None
    fit = found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC
    return MEMORY if fit and os.access(MEMORY, os.W_OK) else None


def main(names: list[str]) -> int:
    """Run the named tiers; the exit code is 0 only if every test passed."""
    if unknown := set(names) - set(TIERS):
        print(f"no such tier: {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}", file=sys.stderr)
        return 2
    # Who is told to stop ends what runs behind, and removes what tests wrote: that may be memory.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    # Tests start programs by the thousand, and each compiles what nobody compiled before.
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package / "src", quiet=1)
    tiers = tuple(names) or USUAL
    place = memory() if set(tiers) <= set(USUAL) else None
    with tempfile.TemporaryDirectory(prefix="cw", dir=place) as directory:
        runs = {tier: Run(tier=tier, report=Path(directory) / f"{tier}.xml") for tier in tiers}
        with contextlib.ExitStack() as stack:
            behind = runs[WAITING] if WAITING in runs and len(runs) > 1 else None
            if behind is not None:
                stack.enter_context(behind.in_the_background())
            for one in runs.values():
                if one is not behind:
                    one.beside = () if behind is None else BESIDE_IT
                    one.here()
        for one in runs.values():
            one.again()
    total = sum((one.result for one in runs.values()), Result())
    print(f"test: {total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
