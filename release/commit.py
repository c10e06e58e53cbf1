"""The release's commit: the version, the changelog, and what is generated from them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from release.checkout import Checkout, ReleaseError
from release.refusals import Wanted

VERSION = Path("wire/src/causeway_wire/__init__.py")
OPENAPI = Path("docs/reference/openapi.json")
CHANGELOG = Path("CHANGELOG.md")
_SAID = re.compile(r'^__version__ = "[^"]*"$', re.MULTILINE)


def news(checkout: Checkout, wanted: Wanted, *, date: str) -> str:
    """What the changelog will say of this release; nothing is written."""
    return checkout.run(*_towncrier(wanted, date), "--draft")


def make(checkout: Checkout, wanted: Wanted, *, date: str) -> None:
    """Write and commit; when that fails, all is as it was."""
    try:
        _write_version(checkout.root / VERSION, wanted.version)
        checkout.run(*_towncrier(wanted, date), "--yes")
        # The checkout's own: what is installed may be another one.
        source = {"PYTHONPATH": str(checkout.root / "wire/src")}
        checkout.run(sys.executable, "-m", "causeway_wire.openapi", OPENAPI, environment=source)
        checkout.git("add", "--all")
        checkout.git("commit", "--quiet", "--message", wanted.subject)
    except BaseException:
        # Nothing else is lost by this: the checkout was found without changes.
        checkout.git("reset", "--quiet", "--hard", "HEAD")
        raise


def section(changelog: str, version: str) -> str:
    """What this changelog says of a version, without its heading."""
    found = re.search(
        rf"^## {re.escape(version)} - .*?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise ReleaseError(f"release: {CHANGELOG} says nothing of {version}")
    return found[1].strip()


def _write_version(file: Path, version: str) -> None:
    text, count = _SAID.subn(f'__version__ = "{version}"', file.read_text())
    if count != 1:
        raise ReleaseError(f"release: {file} does not say the version exactly once")
    file.write_text(text)


def _towncrier(wanted: Wanted, date: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "towncrier", "build", "--version", wanted.version, "--date", date)
