"""Slow hosts are waited for: no unit that an appliance needs at its start gives up before the others do."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ELEMENTS = Path(__file__).parents[3] / "image/elements"
BASE = ELEMENTS / "causeway-base/static/etc/systemd"
DEBIANS = ("systemd-modules-load", "systemd-sysctl", "systemd-journal-flush")
"""Those to which Debian gives 90 s, whatever the service manager's default is."""
LATER = {"causeway-boot-later.service", "causeway-bless.service"}
"""Nothing waits for them at the start."""


def seconds(text: str) -> float:
    if text == "infinity":
        return float("inf")
    match = re.fullmatch(r"([0-9]+)(s|min)?", text)
    assert match is not None, text
    return int(match[1]) * (60 if match[2] == "min" else 1)


def usual() -> float:
    """What the service manager gives units that do not say."""
    manager = configparser.ConfigParser()
    manager.read(BASE / "system.conf.d/causeway.conf")
    return seconds(manager["Manager"]["DefaultTimeoutStartSec"])


@pytest.mark.parametrize("unit", DEBIANS)
def test_what_debian_gives_less_to_has_as_long_as_others(unit: str) -> None:
    change = configparser.ConfigParser()
    assert change.read(BASE / f"system/{unit}.service.d/causeway.conf")
    assert seconds(change["Service"]["TimeoutStartSec"]) >= usual()


def test_no_unit_of_ours_has_less() -> None:
    short = {
        path.name
        for path in ELEMENTS.rglob("*.service")
        for line in path.read_text().splitlines()
        if line.startswith("TimeoutStartSec=") and seconds(line.partition("=")[2]) < usual()
    }
    assert short == LATER
