"""Devices that processes make, on machines whose kernel has no module for them."""

from __future__ import annotations

from typing import Final

NO_MODULE: Final = "no kernel module ovpn"
"""Why the kernel carries no tunnel there."""


async def nothing_left(device: str) -> None:
    """No process makes a device there, so that none can be left behind."""
    raise AssertionError(f"{device} was to be taken away")
