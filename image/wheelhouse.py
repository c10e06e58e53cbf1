"""The agent's wheels: our two from the commit, the others by hash from `agent-requirements.txt`."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from pathlib import Path
from typing import Any

from image.workshop import ROOT, Step

REQUIREMENTS = ROOT / "image/agent-requirements.txt"
PACKAGES = ("wire", "agent")
_PLATFORMS = (
    "manylinux_2_34",
    "manylinux_2_28",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux_2_5",
    "manylinux1",
)
_FOR_TRIXIE = (
    "--only-binary=:all:",
    "--python-version=3.13",
    "--implementation=cp",
    *(f"--abi={abi}" for abi in ("cp313", "abi3", "none")),
    *(f"--platform={name}_x86_64" for name in _PLATFORMS),
    "--platform=any",
)
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def fill(step: Step, *, commit: str, work: Path, house: Path) -> None:
    """Put every wheel that the image needs into the empty directory `house`."""
    step.run(
        *_PIP, "download", "--no-deps", "--require-hashes", *_FOR_TRIXIE, "-d", house, "-r", REQUIREMENTS
    )
    archive = work / "source.tar"
    step.run("git", "-C", ROOT, "archive", "--output", archive, commit, *PACKAGES)
    step.run("tar", "-xf", archive, "-C", work)
    for name in PACKAGES:
        # hatchling is among the tools of the image, at the recorded version: nothing is fetched for this.
        step.run(*_PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", house, work / name)


def lock(step: Step, *, work: Path) -> int:
    """Write `agent-requirements.txt` anew, with the versions of constraints.txt; returns how many."""
    wanted = [
        line
        for name in PACKAGES
        for line in _dependencies(tomllib.loads((ROOT / name / "pyproject.toml").read_text()))
    ]
    constraints = ROOT / "constraints.txt"
    step.run(*_PIP, "download", *_FOR_TRIXIE, "-d", work, "-c", constraints, *sorted(set(wanted)), "pip")
    wheels = sorted(work.glob("*.whl"), key=lambda path: path.name.lower())
    REQUIREMENTS.write_text(requirements({path.name: path.read_bytes() for path in wheels}))
    return len(wheels)


def _dependencies(project: dict[str, Any]) -> list[str]:
    """Those that are not released together with it."""
    if "dependencies" in project["project"]:
        return list(project["project"]["dependencies"])
    return list(project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["dependencies"])


def requirements(wheels: dict[str, bytes]) -> str:
    """The lock file's text for these wheels by file name."""
    lines = [
        "# The image's wheels (CPython 3.13, amd64) and their hashes; written by `python -m image lock`.",
        "# pip installs the others and is not installed itself.",
    ]
    for name, content in wheels.items():
        project, version, *_ = name.split("-")
        digest = hashlib.sha256(content).hexdigest()
        lines.append(f"{project.replace('_', '-').lower()}=={version} \\\n    --hash=sha256:{digest}")
    return "\n".join((*lines, ""))
