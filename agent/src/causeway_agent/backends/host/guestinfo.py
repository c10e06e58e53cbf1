"""What a VMware host tells its guest: `guestinfo` variables, by open-vm-tools' `vmware-rpctool`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from causeway_agent.errors import BackendError

VENDOR = Path("/sys/class/dmi/id/sys_vendor")
TOOL = "vmware-rpctool"
DEADLINE = 5.0
"""Seconds; the host answers at once."""
_NO_VALUE = "No value found"


def is_vmware(vendor: Path = VENDOR) -> bool:
    """Whether the machine says that VMware made it."""
    try:
        return vendor.read_text(encoding="ascii", errors="replace").startswith("VMware")
    except OSError:
        return False


def read(name: str) -> bytes | None:
    """The value of `guestinfo.NAME`, or None when it is not set; raises BackendError."""
    doing = f"read guestinfo.{name}"
    tool = shutil.which(TOOL)
    if tool is None:
        raise BackendError(doing, f"{TOOL} is not installed")
    try:
        finished = subprocess.run(
            [tool, f"info-get guestinfo.{name}"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE,
            env={"PATH": os.defpath, "LANG": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(doing, str(error)) from error
    told = finished.stdout.strip()
    # Depending on its version the tool says so on either output and ends with 0 or 1.
    if told.decode(errors="replace") == _NO_VALUE or (not told and finished.returncode != 0):
        return None
    return told or None
