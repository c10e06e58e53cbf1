"""Where a build happens: its inputs, its directories, and its steps with their logs."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image.flavour import STABLE, Flavour

ROOT = Path(__file__).resolve().parent.parent
LAST_LINES = 15
"""Lines of a failed step's log that are shown at once."""


_NOISE = re.compile(r"^[0-9: .-]+\| (?:\++ |DEBUG |INFO |Unmount |\S*/mnt/)")
"""diskimage-builder's trace, which goes on for a screen after what went wrong."""


class BuildError(Exception):
    """A step failed; the sentence says which and where its log is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What decides the bytes of an image, packages and wheels aside."""

    commit: str
    epoch: int
    """Seconds since 1970: the commit's time unless SOURCE_DATE_EPOCH says otherwise."""
    version: str
    modified: bool
    """Whether the files that make the image differ from the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """One build; `build` may be thrown away afterwards, `dist` is what it is for."""

    inputs: Inputs
    build: Path
    dist: Path
    flavour: Flavour = STABLE
    elements: Path = ROOT / "image/elements"
    times: dict[str, float] = field(default_factory=dict)
    """Seconds each finished step took."""

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A named step: one line when it begins and ends, a log of its own, a clear word when it fails."""
        self.build.mkdir(parents=True, exist_ok=True)
        path = self.build / f"{name}.log"
        began = time.monotonic()
        sys.stdout.write(f"image: {name} ... ")
        sys.stdout.flush()
        with path.open("wb") as log:
            try:
                yield Step(name=name, log=path, epoch=self.inputs.epoch, _file=log.fileno())
            except (subprocess.CalledProcessError, OSError, ValueError) as error:
                print("FAILED", flush=True)
                words = "\n".join(
                    (
                        *last_words(path.read_text(errors="replace")),
                        f"image: step {name} failed: {error}",
                        f"image: its log is {path}",
                    )
                )
                raise BuildError(words) from error
        self.times[name] = time.monotonic() - began
        print(f"{self.times[name]:.1f} s", flush=True)

    def fresh(self, name: str) -> Path:
        """An empty directory below `build`."""
        path = self.build / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Runs programs for one step, with their output in its log and the build's date in their environment."""

    name: str
    log: Path
    epoch: int
    _file: int

    def run(
        self,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        text: str | None = None,
        seconds: float = 600.0,
    ) -> None:
        """Run a program to its end; raises CalledProcessError or OSError, which end the step."""
        self._launch(command, environment=environment, cwd=cwd, text=text, seconds=seconds, output=self._file)

    def output(
        self, *command: str | Path, environment: Mapping[str, str] | None = None, seconds: float = 600.0
    ) -> str:
        """What a program prints on standard output."""
        return self._launch(command, environment=environment, seconds=seconds, output=subprocess.PIPE)

    def _launch(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None,
        seconds: float,
        output: int,
        cwd: Path | None = None,
        text: str | None = None,
    ) -> str:
        words = [str(word) for word in command]
        os.write(self._file, f"+ {' '.join(words)}\n".encode())
        dated = {"SOURCE_DATE_EPOCH": str(self.epoch), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        finished = subprocess.run(
            words,
            check=True,
            cwd=cwd,
            env={**os.environ, **dated, **(environment or {})},
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=output,
            stderr=self._file,
            text=True,
            timeout=seconds,
        )
        return finished.stdout or ""


def last_words(log: str) -> list[str]:
    """The end of a failed step's log, without what only traces."""
    return [line for line in log.splitlines() if not _NOISE.match(line)][-LAST_LINES:]


def inputs_of_checkout(root: Path = ROOT) -> Inputs:
    """The inputs as git has them."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    parts = ("image", "wire", "agent")
    return Inputs(
        commit=git("rev-parse", "HEAD"),
        epoch=int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct")),
        version=version_of(root),
        modified=bool(git("status", "--porcelain", "--", *parts)),
    )


def version_of(root: Path) -> str:
    """The version of the checkout in this directory."""
    return str(runpy.run_path(str(root / "wire/src/causeway_wire/__init__.py"))["__version__"])
