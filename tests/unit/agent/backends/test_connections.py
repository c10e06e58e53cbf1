"""How full the table of connections is: asked each second, of files that stay open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from causeway_agent.backends.filter.connections import KernelConnections
from causeway_agent.engine.ports import ConnectionTable
from causeway_agent.errors import BackendError

STATISTICS = "entries  drop early_drop\n0000000a {:08x} 00000000\n0000000a 00000001 00000000\n"


class Nft:
    async def run(self, commands: str) -> str:
        raise AssertionError(commands)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    return tmp_path / "count", tmp_path / "max", tmp_path / "statistics"


@pytest.fixture
def tell(files: tuple[Path, Path, Path]) -> Callable[[str, str, int], None]:
    def write(entries: str, limit: str, refused: int) -> None:
        for path, text in zip(files, (entries, limit, STATISTICS.format(refused)), strict=True):
            path.write_text(text, encoding="ascii")

    return write


async def test_a_table_that_fills_is_told_of_files_opened_once(
    files: tuple[Path, Path, Path], tell: Callable[[str, str, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = KernelConnections(Nft(), files=files)
    tell("10\n", "100\n", 0)
    assert await connections.table() == ConnectionTable(10, 100, 1)
    tell("100\n", "90\n", 16)
    monkeypatch.delattr(os, "open")
    assert await connections.table() == ConnectionTable(100, 90, 17)
    await connections.aclose()


async def test_where_nothing_is_followed_there_is_no_table_until_there_is(
    files: tuple[Path, Path, Path], tell: Callable[[str, str, int], None]
) -> None:
    connections = KernelConnections(Nft(), files=files)
    assert await connections.table() == ConnectionTable(0, 0, 0)
    tell("10", "100", 1)
    assert await connections.table() == ConnectionTable(10, 100, 2)
    await connections.aclose()


async def test_files_that_cannot_be_read_any_more_are_opened_anew(
    files: tuple[Path, Path, Path], tell: Callable[[str, str, int], None]
) -> None:
    before = _descriptors()
    connections = KernelConnections(Nft(), files=files)
    tell("none", "100", 0)
    with pytest.raises(BackendError, match="read how many connections there are"):
        await connections.table()
    for path in files:
        path.unlink()
    tell("11", "100", 0)
    assert await connections.table() == ConnectionTable(11, 100, 1)
    await connections.aclose()
    assert _descriptors() == before


def _descriptors() -> int:
    return len(tuple(Path("/proc/self/fd").iterdir()))
