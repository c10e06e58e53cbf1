"""A vCenter for each test, and the program that it is, built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import vcenter
from tests.vcenter import Centre


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulator."""
    return vcenter.build(tmp_path_factory.mktemp("simulator") / "simulator")


@pytest.fixture
def centre(program: Path, tmp_path: Path) -> Iterator[Centre]:
    place = tmp_path / "centre"
    place.mkdir()
    with vcenter.running(program, place) as one:
        yield one


@pytest.fixture
def alone(program: Path, tmp_path: Path) -> Iterator[Centre]:
    """An ESXi host by itself."""
    place = tmp_path / "alone"
    place.mkdir()
    with vcenter.running(program, place, "-esx") as one:
        yield one


@pytest.fixture(scope="session")
def ova(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An appliance that is small and boots nothing."""
    return vcenter.ova(tmp_path_factory.mktemp("ova"))
