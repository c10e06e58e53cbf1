"""What was committed to a file of SQLite is there for others, however often it is opened by whom."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from causeway_controller.errors import StoreError
from causeway_controller.store.database import connect

_PASS_BY = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM t'); c.close()"

_LOOK = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT x FROM t'))"


def test_who_passes_by_does_not_take_the_journal_of_who_stays(tmp_path: Path) -> None:
    """POSIX drops all locks of a process on a file when it closes any descriptor of it (fcntl(2)): who closes
    then takes itself for the last one, and removes the journal that the other one goes on writing.
    """
    path = tmp_path / "causeway.db"
    first = connect(f"sqlite:///{path}")
    with first.write() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    second = connect(f"sqlite:///{path}")
    subprocess.run([sys.executable, "-c", _PASS_BY, str(path)], check=True)
    with first.write() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
    seen = subprocess.run(
        [sys.executable, "-c", _LOOK, str(path)], check=True, capture_output=True, text=True
    )
    assert seen.stdout == "(1,)\n", "what was committed is there for other processes"
    first.close()
    second.close()


def test_a_file_is_made_for_its_owner_only_and_no_link_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "causeway.db"
    connect(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(StoreError, match="link"):
        connect(f"sqlite:///{link}")
    with pytest.raises(StoreError, match="cannot be opened"):
        connect(f"sqlite:///{tmp_path}/nowhere/causeway.db")
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() is not None
