"""What was committed to a file of SQLite is there for others, however often it is opened by whom."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import column, event, exc, select, text
from sqlalchemy.engine import Connection

from causeway_controller.errors import StoreError
from causeway_controller.store import database as module
from causeway_controller.store.columns import Words
from causeway_controller.store.database import Database, beside, connect

FULL = 2
"""SQLite's pragma.html, synchronous."""

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


def test_what_stands_beside_a_store_is_synced_and_keeps_no_reader_waiting(tmp_path: Path) -> None:
    url = beside(f"sqlite:///{tmp_path}/causeway.db", "engine")
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (FULL,), "nothing weaker by default"
    assert beside(f"sqlite:///{tmp_path}/causeway.db", "engine") == url


def test_pages_of_a_file_are_kept_within_a_bound_for_all_connections(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as other:
        other.execute("PRAGMA soft_heap_limit = 0")
        database = connect(f"sqlite:///{tmp_path}/causeway.db")
        with database.read():
            assert 0 < other.execute("PRAGMA soft_heap_limit").fetchone()[0] < 2**23
        database.close()


def waiting(database: Database, write: Callable[[Connection], object]) -> threading.Thread:
    """A thread that writes and waits for its turn, because the caller is in a transaction."""

    def act() -> None:
        with database.write() as connection:
            write(connection)

    thread = threading.Thread(target=act)
    thread.start()
    assert database._turns is not None
    deadline = time.monotonic() + 10
    while not database._turns._waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    return thread


def insert(number: int) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": number})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = connect(f"sqlite:///{tmp_path}/causeway.db")
    with opened.write() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
    yield opened
    opened.close()


def kept(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(text("SELECT x FROM t ORDER BY x")).scalars())


def test_who_waits_writes_into_one_transaction_and_what_one_undoes_is_its_own(database: Database) -> None:
    begun: list[str] = []
    event.listen(database._engine, "begin", lambda _: begun.append("begin"))
    with pytest.raises(ValueError, match="mine"), database.write() as connection:  # noqa: PT012
        connection.execute(text("INSERT INTO t VALUES (1)"))
        thread = waiting(database, insert(2))
        raise ValueError("mine")
    thread.join()
    assert begun == ["begin"], "one transaction, and one commit"
    assert kept(database) == [2]


def test_what_was_written_before_the_database_ended_the_transaction_is_not_taken_for_kept(
    database: Database,
) -> None:
    """SQLite does that when the disk is full; the next one must not begin one of its own by chance."""
    failures: list[StoreError] = []

    def end_it(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("ROLLBACK")

    def late() -> None:
        try:
            with database.write() as connection:
                end_it(connection)
        except StoreError as error:
            failures.append(error)

    thread = threading.Thread(target=late)
    with pytest.raises(StoreError, match="nothing of it is kept"), database.write() as connection:  # noqa: PT012
        connection.execute(text("INSERT INTO t VALUES (1)"))
        thread.start()
        while database._turns is not None and not database._turns._waiting:
            time.sleep(0.001)
    thread.join()
    assert len(failures) == 1
    assert kept(database) == []
    with database.write() as connection:
        insert(3)(connection)
    assert kept(database) == [3]


def test_what_a_statement_refused_is_told_without_the_statement(tmp_path: Path) -> None:
    """It goes out to who asked, who may be a tenant."""
    database = connect(f"sqlite:///{tmp_path}/causeway.db")
    secret = column("secret", Words())
    for told, words in (
        ("no such table", select(secret).select_from(text("t"))),
        ("NUL", select(secret == "\0")),
    ):
        with pytest.raises(StoreError, match=told) as refused, database.read() as connection:
            connection.execute(words)
        assert "SELECT" not in str(refused.value)
    database.close()


def test_a_full_disk_is_told_with_what_helps(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "full.db")) as full:
        full.execute("CREATE TABLE t (x BLOB)")
        full.execute("PRAGMA max_page_count = 4")
        with pytest.raises(sqlite3.OperationalError) as refused:
            full.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    said = "database or disk is full: make room on the disk that the store is on"
    with pytest.raises(StoreError, match=said), module._translated():
        raise exc.OperationalError("INSERT", None, refused.value)
    with pytest.raises(StoreError, match=r"refused: it is so$"), module._translated():
        raise exc.OperationalError("INSERT", None, ValueError("it is so"))


def test_a_damaged_file_beside_the_store_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "store-engine.db").write_bytes(b"no database at all" * 64)
    with pytest.raises(StoreError, match="stop the controller and restore the backup"):
        beside(f"sqlite+aiosqlite:///{tmp_path / 'store.db'}", "engine")
