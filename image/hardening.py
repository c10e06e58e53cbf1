"""How hard the built system is, by two outside judges: lynis, and `systemd-analyze security`.

lynis looks at any Linux and does not know what an appliance is for; what it suggests is done, or has its
reason in `hardening.toml`. A suggestion without a reason and an index below the one that was reached are
errors. Both judge the tree that the disk is made of, in namespaces of their own, where it cannot be written
to: under emulation lynis would take very long. What runs is judged by `tests/image`, on a booted machine.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image import units
from image.workshop import ROOT, BuildError, Step, Workshop

REASONS = ROOT / "image/hardening.toml"
PAGE = ROOT / "docs/reference/hardening.md"
SECONDS = 900.0
_ALONE = (
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "--net",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child",
)
_ENTER = """\
tree=$1; shift
mount --bind "$tree" "$tree"; mount -o remount,bind,ro "$tree"
mount --bind /dev "$tree/dev"; mount -t proc proc "$tree/proc"
mount -t tmpfs tmpfs "$tree/run"; mount -t tmpfs tmpfs "$tree/tmp"
"""
_AUDIT = f"""{_ENTER}
hostname appliance
mkdir "$tree/run/lynis"
tar -C / -c usr/sbin/lynis usr/share/lynis etc/lynis | tar -C "$tree/run/lynis" -x
cd "$tree/run/lynis/usr/share/lynis"
mv ../../sbin/lynis ../../../etc/lynis/plugins .
{{ cat ../../../etc/lynis/default.prf; for test in "$@"; do echo "skip-test=$test"; done; }} > default.prf
chroot "$tree" sh -c 'cd /run/lynis/usr/share/lynis && exec sh ./lynis audit system --quick --quiet \\
  --no-colors --report-file /run/lynis/report --logfile /run/lynis/log' >&2
cat "$tree/run/lynis/report"
"""
_EXPOSE = f"""{_ENTER}
chroot "$tree" systemd-analyze security --offline=true --no-pager "$@"
"""
_EXPOSURE = re.compile(r"Overall exposure level for (\S+): ([0-9.]+) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A warning or a suggestion of lynis."""

    test: str
    """Its name, such as `AUTH-9230`."""
    text: str
    warning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What both said."""

    lynis: str
    """Its version."""
    index: int
    """lynis's hardening index, of 100."""
    tests: int
    findings: tuple[Finding, ...]
    exposures: Mapping[str, float]
    """systemd-analyze's figure for each service, of 10; less is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What was reached before, and why the rest is as it is."""

    least: int
    skipped: Mapping[str, str]
    """Tests of lynis that are not done, and why."""
    reasons: Mapping[str, str]
    """Why what it says stays so, by the names of its tests."""


def check(shop: Workshop) -> None:
    """Judge the last build; raises BuildError where it got worse, or where something has no reason."""
    _judge(shop, expected())


def record(shop: Workshop) -> None:
    """The same, and write the page of it."""
    known = expected()
    found = _judge(shop, known)
    PAGE.write_text(page(found, known))


def expected(path: Path = REASONS) -> Expected:
    """As the file says."""
    told = tomllib.loads(path.read_text())
    return Expected(least=told["least"], skipped=told["skipped"], reasons=told["reasons"])


def measure(step: Step, tree: Path, *, skipped: Mapping[str, str]) -> Measured:
    """Ask both; raises ValueError where lynis does not get to its end."""
    return read(
        step.output(*_ALONE, "sh", "-eu", "-c", _AUDIT, "sh", tree, *skipped, seconds=SECONDS),
        step.output(*_ALONE, "sh", "-eu", "-c", _EXPOSE, "sh", tree, *services(tree), seconds=SECONDS),
    )


def services(tree: Path) -> tuple[str, ...]:
    """Our own, and Debian's that go on running once they were started."""
    named = (name for name in units.names(tree) if name.endswith(".service"))
    return tuple(name for name in named if not _ends(tree / units.DEBIANS / name))


def read(report: str, exposures: str) -> Measured:
    """What lynis's report (lynis(8), `lynis-report.dat`) and systemd-analyze say."""
    pairs = [line.partition("=")[::2] for line in report.splitlines() if not line.startswith("#")]
    single = dict(pairs)
    if "hardening_index" not in single:
        raise ValueError("lynis did not get to its end")
    findings = tuple(_finding(text, name) for name, text in pairs if name in {"warning[]", "suggestion[]"})
    return Measured(
        lynis=single["lynis_version"],
        index=int(single["hardening_index"]),
        tests=int(single["lynis_tests_done"]),
        findings=findings,
        exposures={unit: float(exposure) for unit, exposure in _EXPOSURE.findall(exposures)},
    )


def complaints(found: Measured, known: Expected) -> list[str]:
    """What must not be, one sentence each; none when all is well."""
    said = []
    if found.index < known.least:
        said.append(f"lynis's index is {found.index}; it was {known.least}")
    unknown = [finding for finding in found.findings if finding.test not in known.reasons]
    return said + [f"{one.test} has no reason in {REASONS.name}: {one.text}" for one in unknown]


def page(found: Measured, known: Expected) -> str:
    """The text of `docs/reference/hardening.md`."""
    rows = sorted({(finding.test, finding.text, finding.warning) for finding in found.findings})
    findings = "\n".join(
        f"| {test} | {'**' * warning}{_cell(text)}{'**' * warning} | {_cell(known.reasons[test])} |"
        for test, text, warning in rows
    )
    skipped = "\n".join(f"| {test} | {_cell(why)} |" for test, why in sorted(known.skipped.items()))
    worst = sorted(found.exposures.items(), key=lambda pair: (-pair[1], pair[0]))
    services = "\n".join(f"| `{unit}` | {exposure:.1f} |" for unit, exposure in worst)
    return _PAGE.format(
        version=found.lynis,
        index=found.index,
        tests=found.tests,
        findings=findings,
        skipped=skipped,
        services=services,
    )


_PAGE = """\
# How hard the image is

Written by `make hardening`, which has two outside judges look at the tree that `make image` made the disk of.
`.ci/run` asks them again and fails when lynis's index falls or something is said that has no reason here.

## lynis

lynis {version} did {tests} tests: hardening index **{index}** of 100. It does not know what an appliance is
for; what it suggests besides, and why it is not done (its warnings in bold; `image/hardening.toml`):

| test | lynis says | because |
| --- | --- | --- |
{findings}

Not asked:

| test | because |
| --- | --- |
{skipped}

## systemd-analyze security

The exposure of each service that goes on running, and of all of our own, of 10; those of hypervisors and
those that are never started included; up to 5.0 is what it calls OK. Why some have more stands in
[the image](image.md#other-units-and-what-is-not-confined), and `tests/image` holds those of a booted machine
to their figures there.

| service | exposure |
| --- | ---: |
{services}
"""


def _judge(shop: Workshop, known: Expected) -> Measured:
    tree = shop.build / "tree"
    if not tree.exists():
        raise BuildError("hardening: nothing is built here: make image")
    with shop.step("hardening") as step:
        found = measure(step, tree, skipped=known.skipped)
    if said := complaints(found, known):
        raise BuildError("\n".join(f"hardening: {sentence}" for sentence in said))
    print(f"hardening: lynis says {found.index} of 100, and nothing without a reason; least is {known.least}")
    return found


def _ends(unit: Path) -> bool:
    return unit.exists() and "\nType=oneshot\n" in unit.read_text()


def _finding(text: str, name: str) -> Finding:
    """`TEST|words|details|solution|`."""
    test, words, *_ = text.split("|")
    return Finding(test=test, text=words, warning=name == "warning[]")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
