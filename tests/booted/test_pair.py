"""Appliances that boot the image, and a failover between them: what `make pair` shows, as a test."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from causeway_controller.lab import pair
from tests.booted import fresh_machine

OUTCOME = re.compile(r"^demo: (\d+) of (\d+) claims held", re.MULTILINE)

pytestmark = [pytest.mark.booted, pytest.mark.timeout(pair.DEADLINE + 60)]


def test_a_vm_fails_over_between_appliances_that_boot_and_every_claim_holds() -> None:
    program = shutil.which("causeway", path=fresh_machine.ROOT / ".venv/bin")
    assert program is not None
    told = ""
    with subprocess.Popen(
        [program, "lab", "demo", "--image", str(fresh_machine.image())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            fresh_machine.news(line)
            told += line
    outcome = OUTCOME.search(told)
    assert outcome is not None, told
    assert running.returncode == 0, told
    assert outcome[1] == outcome[2]
    assert int(outcome[2]) > 10
