"""What other programs read from the settings: each as widely open as its reader needs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_agent.first_boot import rendering
from causeway_agent.settings import Settings
from tests import seeds


@pytest.fixture(autouse=True)
def _strict_umask() -> Iterator[None]:
    """As in the unit."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_clocks_program_which_is_not_root_can_read_its_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "timesyncd.conf.d" / "causeway.conf"
    monkeypatch.setattr(rendering, "TIMESYNCD", place)
    monkeypatch.setattr("socket.sethostname", lambda _name: None)
    known = seeds.seed()
    rendering.render_machine(
        Settings(
            appliance=known.appliance,
            management=known.management,
            nics=known.nics,
            controller_ca=known.controller_ca,
        )
    )
    assert (mode(place.parent), mode(place)) == (0o755, 0o644)
