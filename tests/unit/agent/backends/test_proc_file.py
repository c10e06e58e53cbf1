"""Files of the kernel's, read to their end: one read of /proc/net/dev tells no more than a page of it."""

from __future__ import annotations

from pathlib import Path

from causeway_agent.backends.host import proc_file
from causeway_agent.backends.host.proc_file import ProcFile

MAPS = Path("/proc/self/maps")
"""Made record by record like /proc/net/dev, and longer than a page; the stack is among the last."""
LAST = b"[stack]"


def test_a_file_longer_than_a_page_is_read_to_its_end() -> None:
    assert LAST in proc_file.read(MAPS)


def test_one_that_stays_open_is_read_to_its_end_each_time() -> None:
    with ProcFile(MAPS) as file:
        assert LAST in file.read()
        assert LAST in file.read()


def test_one_that_stays_open_tells_what_is_in_it_now(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1\n")
    with ProcFile(tmp_path / "file") as file:
        assert file.read() == b"1\n"
        (tmp_path / "file").write_text("22\n")
        assert file.read() == b"22\n"
