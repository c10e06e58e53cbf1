"""The checkout that is released, as git has it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image.workshop import version_of

FRAGMENTS = "changelog.d"


class ReleaseError(Exception):
    """The release ends; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A git checkout of Causeway."""

    root: Path

    def run(
        self, *command: str | Path, text: str | None = None, environment: Mapping[str, str] | None = None
    ) -> str:
        """What this program prints when it is run here; raises ReleaseError when it fails."""
        words = [str(word) for word in command]
        finished = subprocess.run(
            words,
            check=False,
            cwd=self.root,
            env={**os.environ, **(environment or {})},
            input=text or "",
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            said = (finished.stderr.strip() or finished.stdout.strip()).splitlines()[-5:]
            raise ReleaseError("\n".join((*said, f"release: {' '.join(words[:3])} failed")))
        return finished.stdout.rstrip()

    def make(self, target: str) -> None:
        """Make this, for all to see; raises ReleaseError."""
        if subprocess.run(["make", "--no-print-directory", target], check=False, cwd=self.root).returncode:
            raise ReleaseError(f"release: make {target} failed")

    def git(self, *arguments: str | Path, text: str | None = None) -> str:
        """What git says."""
        return self.run("git", *arguments, text=text)

    @property
    def version(self) -> str:
        """In the files as they are."""
        return version_of(self.root)

    @property
    def commit(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def subject(self) -> str:
        """Of the last commit."""
        return self.git("log", "-1", "--format=%s")

    @property
    def branch(self) -> str:
        """Empty where no branch is checked out."""
        return self.git("branch", "--show-current")

    def changed(self) -> list[str]:
        """Files that differ from the last commit, untracked ones included."""
        return [line[3:] for line in self.git("status", "--porcelain", "--untracked-files=all").splitlines()]

    def tags(self) -> list[str]:
        """Versions that were released."""
        return [tag.removeprefix("v") for tag in self.git("tag", "--list", "v[0-9]*").splitlines()]

    def fragments(self) -> list[str]:
        """News that no release has told yet."""
        return sorted(path.name for path in (self.root / FRAGMENTS).glob("*.*.md"))
