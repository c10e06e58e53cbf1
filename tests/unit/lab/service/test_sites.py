"""The controllers of a lab in the background: begun once, used from as many shells as people have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from causeway_lab.assembly.lab import LabError
from causeway_lab.service import sites


class Two:
    """Controllers that are nowhere; counts how often they were started and ended."""

    started = ended = 0

    def __init__(self, _lab: Any, _tenant: str, place: Path) -> None:
        self.provider = SimpleNamespace(socket=place / "north.sock")
        self.tenant = SimpleNamespace(socket=place / "own.sock")
        self.own_host = "unix:///host"

    async def __aenter__(self) -> Self:
        Two.started += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        Two.ended += 1


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sites.Sites:
    monkeypatch.setattr(sites, "TwoSites", Two)
    monkeypatch.setattr(Two, "started", 0)
    monkeypatch.setattr(Two, "ended", 0)
    lab: Any = SimpleNamespace(tenant=lambda _: None, listener=lambda _: None)
    return sites.Sites(lab, tmp_path)


async def test_a_second_shell_gets_the_same_consoles(begun: sites.Sites, tmp_path: Path) -> None:
    consoles = tmp_path / sites.DIRECTORY / sites.CONSOLES
    await begun.begin("acme")
    first = consoles.read_text()
    await begun.begin("acme")
    assert (Two.started, consoles.read_text()) == (1, first)
    assert "acme() {" in first


async def test_another_tenant_is_told_whose_they_are_and_what_to_do(begun: sites.Sites) -> None:
    await begun.begin("acme")
    with pytest.raises(
        LabError, match=r"controllers of acme.*`causeway lab sites acme`.*`causeway lab down`"
    ):
        await begun.begin("globex")
    await begun.end()
    await begun.begin("globex")
    assert (Two.started, Two.ended) == (2, 1)
