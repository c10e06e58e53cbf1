"""Has Spin look at every state of the model of a partial failover."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODEL: Final = Path(__file__).parent / "partial_failover.pml"
LAWS: Final = ("FENCE", "WITHIN", "NESTED", "SERVED", "RELIED", "SILENCE", "BEGUN", "LATE")
CLAIMS: Final = ("served", "told")
"""No address is answered for where nobody serves it; what a run says of itself is so."""

_DEPTH: Final = "1000000"
_SECONDS: Final = 600


class ModelError(Exception):
    """Spin could not look at everything; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What holds of one variant of the protocol."""

    states: int
    """Of all searches together."""
    broken: str | None
    """The claim that does not hold; None when all do."""


def check(place: Path, *, without: str | None = None, controllers: int = 2) -> Found:
    """Look at every state that so many controllers can bring about, without one of the laws or with all.

    `place`: a directory for Spin and the C compiler. Raises ModelError when a search was cut short.
    """
    variant = [f"-DCONTROLLERS={controllers}", *([f"-DNO_{without}"] if without else [])]
    _run(place, "spin", "-a", *variant, str(MODEL))
    _run(place, "cc", "-O2", "-DCOLLAPSE", "-w", "-o", "pan", "pan.c")
    states = 0
    for claim in CLAIMS:
        said = _run(place, "./pan", "-a", f"-m{_DEPTH}", "-N", claim)
        if "error: max search depth too small" in said:
            raise ModelError(f"the search for {claim} was cut short:\n{said}")
        states += int(_one(r"(\d+) states, stored", said))
        if _one(r"errors: (\d+)", said) != "0":
            return Found(states=states, broken=claim)
    return Found(states=states, broken=None)


def _one(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise ModelError(f"Spin did not say what it found:\n{said}")
    return found[1]


def _run(place: Path, *command: str) -> str:
    try:
        ended = subprocess.run(
            command, cwd=place, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"{command[0]}: {error}") from error
    if ended.returncode:
        raise ModelError(f"{command[0]} failed:\n{ended.stdout}{ended.stderr}")
    return ended.stdout
