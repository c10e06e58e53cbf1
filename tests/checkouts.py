"""Git checkouts with the files of this one, for what is done to a whole checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DISK = b"disk\n"
PARTS = (":!tests", ":!benchmarks", ":!docs/adr")
"""All but what no release reads: a copy is quickly made."""
MAKEFILE = """\
.PHONY: lint image
lint:
\t@test ! -e broken
image:
\t@rm -f dist/causeway-*; mkdir -p dist; echo made >> made-images
\t@echo disk > dist/causeway-$(V).qcow2
\t@printf '{"version": "$(V)", "commit": "%s", "modified": false, "files": {"causeway-$(V).qcow2": "%s"}}' \\
\t\t$$(git rev-parse HEAD) $$(sha256sum < dist/causeway-$(V).qcow2 | cut -c1-64) \\
\t\t> dist/causeway-$(V).manifest.json
"""
"""Instead of the checkout's: neither linting it nor building an image is what is tested here."""


def no_others() -> dict[str, str]:
    """The environment without what the caller's git and key would change."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "CAUSEWAY_"))}
    identity = {"NAME": "Somebody", "EMAIL": "somebody@example.org"}
    for role in ("AUTHOR", "COMMITTER"):
        kept |= {f"GIT_{role}_{name}": value for name, value in identity.items()}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": os.devnull}


@dataclass(frozen=True)
class Copy:
    """A git checkout with the files of this one."""

    root: Path

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).stdout.strip()

    def run(
        self, *command: str, good: bool = True, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            command,
            check=False,
            cwd=self.root,
            env={**no_others(), **(environment or {})},
            capture_output=True,
            text=True,
        )
        assert (finished.returncode == 0) is good, finished.stdout + finished.stderr
        return finished

    def release(self, version: str, *options: str, good: bool = True, key: str = "", agent: str = "") -> str:
        """All that a release says; `good`: how it must end."""
        # Making an image needs root, in the checkout's eyes.
        rooted = () if os.geteuid() == 0 or "--no-image" in options else ("unshare", "--map-root-user")
        command = (*rooted, sys.executable, "-m", "release", version, *options)
        environment = {"V": version, "CAUSEWAY_RELEASE_KEY": key, "SSH_AUTH_SOCK": agent}
        finished = self.run(*command, good=good, environment=environment)
        return finished.stdout + finished.stderr

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "tests: this state")

    @property
    def state(self) -> tuple[str, str, str, list[str]]:
        """All that a refused release must not change."""
        dist = sorted(path.name for path in (self.root / "dist").glob("*"))
        return self.git("rev-parse", "HEAD"), self.git("tag"), self.git("status", "--porcelain"), dist


def copied(root: Path) -> Copy:
    """A copy in this empty directory, with one more change to tell."""
    copy = Copy(root)
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PARTS],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name, follow_symlinks=False)
    (root / "Makefile").write_text(MAKEFILE)
    (root / ".gitignore").write_text("__pycache__/\n/dist/\nmade-images\n")
    (root / "changelog.d/only-this.fixed.md").write_text("What was wrong is right.\n")
    copy.git("init", "--quiet", "--initial-branch=main")
    copy.commit()
    return copy
