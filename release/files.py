"""What is in `dist`: the image's files, the wheels, the source, and the sums of all of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from image.export import digest
from release.checkout import Checkout
from release.refusals import Wanted

SUMS = "SHA256SUMS"
_OURS = ("causeway-*", "causeway_*", f"{SUMS}*", "release.signers")


def has_image(checkout: Checkout, wanted: Wanted, dist: Path) -> bool:
    """Whether the image of exactly this commit is there, whole."""
    manifest = dist / f"causeway-{wanted.version}.manifest.json"
    if not manifest.exists():
        return False
    told = json.loads(manifest.read_text())
    if (told["version"], told["commit"], told["modified"]) != (wanted.version, checkout.commit, False):
        return False
    return all(
        (dist / name).exists() and digest(dist / name) == known for name, known in told["files"].items()
    )


def image_files(wanted: Wanted, dist: Path) -> set[str]:
    """Their names, as the image's own manifest has them."""
    manifest = dist / f"causeway-{wanted.version}.manifest.json"
    return {manifest.name, *json.loads(manifest.read_text())["files"]}


def clear(dist: Path, *, but: set[str]) -> None:
    """Remove what earlier releases and builds left."""
    dist.mkdir(parents=True, exist_ok=True)
    for pattern in _OURS:
        for path in dist.glob(pattern):
            if path.name not in but:
                path.unlink()


def add_source(checkout: Checkout, wanted: Wanted, dist: Path) -> None:
    """The commit's files; equal commits give equal bytes."""
    name = f"causeway-{wanted.version}"
    checkout.git(
        "archive", "--format=tar.gz", f"--prefix={name}/", "--output", dist / f"{name}.tar.gz", "HEAD"
    )


def add_wheels(checkout: Checkout, dist: Path) -> None:
    """One for each distribution of the checkout; equal commits give equal bytes."""
    packages = sorted(f"./{path.parent.name}" for path in checkout.root.glob("*/pyproject.toml"))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "wheel", "--quiet")
    dated = {"SOURCE_DATE_EPOCH": checkout.git("log", "-1", "--format=%ct")}
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", dist)
    checkout.run(*pip, *options, *packages, environment=dated)


def sum_up(dist: Path) -> Path:
    """Write the sums of all files, for sha256sum(1); returns where they are."""
    sums = dist / SUMS
    paths = sorted(path for pattern in _OURS[:2] for path in dist.glob(pattern))
    sums.write_text("".join(f"{digest(path)}  {path.name}\n" for path in paths))
    return sums
