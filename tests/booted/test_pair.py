"""Appliances that boot the image, and a failover between them: what `make pair` shows, as a test.

    .venv/bin/pytest -m booted tests/booted

Takes the newest image in `dist`, or the one that CAUSEWAY_IMAGE names. Where there is none this fails: it was
asked for by name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from causeway_controller.lab import pair

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = re.compile(r"^demo: (\d+) of (\d+) claims held", re.MULTILINE)

pytestmark = [pytest.mark.booted, pytest.mark.timeout(pair.DEADLINE + 60)]


def image() -> Path:
    named = os.environ.get("CAUSEWAY_IMAGE")
    built = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    assert named or built, "there is no image yet: make image"
    return Path(named) if named else built[-1]


def test_a_vm_fails_over_between_appliances_that_boot_and_every_claim_holds() -> None:
    program = shutil.which("causeway", path=ROOT / ".venv/bin")
    assert program is not None
    finished = subprocess.run(
        [program, "lab", "demo", "--image", str(image())], capture_output=True, text=True, check=False
    )
    outcome = OUTCOME.search(finished.stdout)
    assert outcome is not None, finished.stdout + finished.stderr
    assert finished.returncode == 0, finished.stdout
    assert outcome[1] == outcome[2]
    assert int(outcome[2]) > 10
