"""Packer itself takes what the gate gives it; that it boots and tests a machine, `make image-test` shows."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from causeway_lab.qemu.acceleration import TCG, Acceleration
from image import gate, subject

pytestmark = pytest.mark.booted


def test_packer_takes_the_template_with_the_gates_variables(tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(b"disk")
    for name in ("id", "id.pub", gate.DISC):
        (tmp_path / name).write_text("-")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"],
        check=True,
        capture_output=True,
    )
    shutil.copy(tmp_path / "key", tmp_path / "id")
    made = subject.make(directory=tmp_path, disk=disk)
    given = tmp_path / "given.pkrvars.json"
    given.write_text(json.dumps(gate.variables(made, Acceleration(name=TCG, reason=""))))
    finished = subprocess.run(
        [gate.PACKER, "validate", f"-var-file={given}", gate.TEMPLATE],
        check=False,
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "CHECKPOINT_DISABLE": "1"},
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
