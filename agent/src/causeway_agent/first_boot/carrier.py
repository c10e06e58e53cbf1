"""The ways for a seed to reach the machine."""

from __future__ import annotations

from enum import StrEnum


class Carrier(StrEnum):
    """In the order in which they decide."""

    CREDENTIAL = "credential"
    ISO = "iso"
    GUESTINFO = "guestinfo"
