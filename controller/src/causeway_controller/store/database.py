"""A database: SQLite for one controller, PostgreSQL for several. Transactions, and errors in our own words.

Both behave alike: a writer waits for the writer before it, a reader sees one state from its first question to
its last, and what is committed survives a power cut.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Table, event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import ConnectionPoolEntry

from causeway_controller import files
from causeway_controller.errors import StoreError
from causeway_controller.store.turns import Turns

SQLITE: Final = "sqlite"
BUSY_SECONDS: Final = 30
"""How long a writer waits for the one before it."""

_ABANDONED: Final = "idle_in_transaction_session_timeout=10s"
"""Who is stopped within a transaction must not hold its locks against the controller that takes over."""

_CACHED: Final = 6 * 2**20
"""Octets that SQLite takes in this process before a connection reuses the pages that it keeps (pragma.html,
soft_heap_limit). Else each keeps 2 MiB, the engine's too, of what the kernel has as well.
"""

_WRITING: Final = "causeway_writing"
_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
}


class Database:
    """Transactions of one database. Safe to share between threads."""

    def __init__(self, engine: Engine, *, turns: Turns[Connection] | None = None) -> None:
        """`turns` are taken by everybody who writes."""
        self._engine = engine
        self._turns = turns

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing. Raises StoreError."""
        options: dict[str, Any] = {}
        if self.dialect != SQLITE:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._transaction(options) as connection:
            yield connection

    @contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[Connection]:
        """A transaction: committed at the end, undone when anything is raised. Raises StoreError.

        `urgent`: before others of this process that wait for their turn.
        """
        if self._turns is None:
            with self._transaction({_WRITING: True}) as connection:
                yield connection
        else:
            with _translated(), self._turns.turn(self._begun, urgent=urgent) as connection:
                yield connection

    def _begun(self) -> _Joint:
        return _Joint(self._engine.connect().execution_options(**{_WRITING: True}))

    @contextmanager
    def _transaction(self, options: Mapping[str, Any]) -> Iterator[Connection]:
        with (
            _translated(),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


class _Joint:
    """A transaction of SQLite whose parts are savepoints: SQLite's lang_savepoint.html.

    SQLite itself ends a transaction when the disk is full or fails; a savepoint after that would be a
    transaction of its own, so each looks whether this one is still there.
    """

    def __init__(self, connection: Connection) -> None:
        """Begin it. Raises what SQLAlchemy raises."""
        self._connection = connection
        try:
            self._transaction = connection.begin()
        except BaseException:
            connection.close()
            raise
        self.broken = False

    @contextmanager
    def part(self) -> Iterator[Connection]:
        self._say("SAVEPOINT part")
        try:
            yield self._connection
        except BaseException:
            self._say("ROLLBACK TO part")
            raise
        finally:
            self._say("RELEASE part")

    def commit(self) -> None:
        with self._connection:
            if self.broken:
                raise StoreError("the database ended a transaction by itself, so nothing of it is kept")
            self._transaction.commit()

    def _say(self, statement: str) -> None:
        """Speak to SQLite past SQLAlchemy, which keeps count of savepoints that it made itself."""
        driver = self._connection.connection.driver_connection
        if self.broken or driver is None or not driver.in_transaction:
            self.broken = True
            return
        try:
            driver.execute(statement).close()
        except sqlite3.Error:
            self.broken = True


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that may say what to do on a conflict: each database has its own, alike in what we use of it.

    Where another writer is about to insert the same key, it waits for the end of that transaction.
    """
    return upsert_on(connection.dialect.name, table)


def upsert_on(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """As `upsert`, for a statement that is made once and executed often."""
    return sqlite.insert(table) if dialect == SQLITE else postgresql.insert(table)


def connect(url: str) -> Database:
    """Open the database at this URL: `sqlite:////var/lib/causeway/causeway.db`, `postgresql://host/name`.

    Raises StoreError. A file of SQLite is made when there is none, readable by its owner only.
    """
    try:
        parsed = sqlalchemy.make_url(url)
        driver = _DRIVERS[parsed.drivername.partition("+")[0]]
    except (exc.ArgumentError, KeyError) as error:
        hint = "name it as sqlite:////PATH or postgresql://USER@HOST/NAME"
        raise StoreError(f"the store's URL is of no database that Causeway knows; {hint}") from error
    options = {} if driver.startswith(SQLITE) else {"options": f"-c {_ABANDONED}"}
    engine = sqlalchemy.create_engine(parsed.set(drivername=driver), connect_args=options)
    if engine.dialect.name == SQLITE:
        _make_file(parsed.database)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return Database(engine, turns=_turns(engine.url.database or ""))
    return Database(engine)


def is_absent(url: str) -> bool:
    """Tell whether the URL names a file of SQLite that is not there; `connect` would make it."""
    file = file_of(url)
    return file is not None and not file.exists()


def file_of(url: str) -> Path | None:
    """Return the file of SQLite that the URL names; None where a server keeps the database."""
    parsed = sqlalchemy.make_url(url)
    return Path(parsed.database or "") if parsed.drivername.startswith(SQLITE) else None


_TURNS: Final[dict[str, Turns[Connection]]] = {}
"""By file: all connections of this process to a file of SQLite take turns."""


def _turns(path: str) -> Turns[Connection]:
    return _TURNS.setdefault(str(Path(path).resolve()), Turns())


def beside(url: str, name: str) -> str:
    """Return the URL where something keeps tables of its own beside a store's.

    For a file of SQLite that is another file, made when there is none, whose readers wait for no writer; on
    PostgreSQL the same database, for a schema of its own.

    It names no driver. Raises StoreError.
    """
    parsed = sqlalchemy.make_url(url)
    kind = parsed.drivername.partition("+")[0]
    if kind != SQLITE:
        return parsed.set(drivername=kind).render_as_string(hide_password=False)
    path = Path(parsed.database or "")
    other = str(path.with_name(f"{path.stem}-{name}{path.suffix}"))
    _make_file(other)
    _log_ahead(other)
    return parsed.set(drivername=kind, database=other).render_as_string(hide_password=False)


def _make_file(path: str | None) -> None:
    """SQLite would make it with the mode that the umask leaves; its journal has the mode of the file.

    A file that is there is never opened here: this process may have it open already, and to close any
    descriptor of it drops all of the process's locks on it (fcntl(2), "Record locking"). Then the next
    process that closes it takes itself for the last one, and removes the journal that this one goes on
    writing.
    """
    if not path or path == ":memory:":
        raise StoreError("the store's URL names no file; name it as sqlite:////PATH")
    try:
        if not os.path.lexists(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, files.PRIVATE))
    except FileExistsError:
        pass  # another process made it a moment ago
    except FileNotFoundError as error:
        hint = "run `causeway setup` first, or correct where the settings say that it is"
        raise StoreError(f"the store {Path(path)} cannot be opened: there is no directory; {hint}") from error
    except OSError as error:
        raise StoreError(f"the store {Path(path)} cannot be opened: {error.strerror}") from error
    if Path(path).is_symlink():
        raise StoreError(f"the store {Path(path)} cannot be opened: it is a symbolic link")
    if not os.access(path, os.R_OK | os.W_OK):
        raise StoreError(f"the store {Path(path)} cannot be opened: it may not be written")


def _log_ahead(path: str) -> None:
    """Give the file a write-ahead log, which it keeps whoever opens it: SQLite's wal.html.

    SQLite's default has a writer shut out all readers, and sync three times for what needs one.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode = WAL").close()
    except sqlite3.Error as error:
        raise StoreError(f"the store {Path(path)} cannot be used: {error}{_remedy(error)}") from error


def _configure_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # Python would begin transactions late, and none before DDL
    for pragma in (
        "journal_mode = WAL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "synchronous = FULL",  # in WAL mode NORMAL may lose what was committed when the power fails
        f"soft_heap_limit = {_CACHED}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its turn at once: who reads first and writes then cannot wait for another writer."""
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.StatementError as error:  # its own text has the statement: nothing for who asked
        raise StoreError(f"the database refused: {error.orig}{_remedy(error.orig)}") from error
    except exc.SQLAlchemyError as error:
        raise StoreError(f"the database cannot be used: {error}") from error


_REMEDIES: Final[Mapping[str, str]] = {
    "SQLITE_FULL": "make room on the disk that the store is on",
    "SQLITE_READONLY": "see who owns the store's files, and that their disk is not mounted read-only",
    "SQLITE_IOERR": "the disk that the store is on fails: see the system's log, bring the store to another",
    "SQLITE_CORRUPT": "stop the controller and restore the backup",
    "SQLITE_NOTADB": "stop the controller and restore the backup",
    "53100": "make room on the disk of the database's server",
    "25006": "the database's server takes no writes: see that it is not a standby",
}
"""By the beginning of SQLite's name of a result, or the SQLSTATE of PostgreSQL (its documentation, A)."""


def _remedy(error: BaseException | None) -> str:
    """What helps against it, where that is known."""
    code = str(getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or "")
    found = next((remedy for known, remedy in _REMEDIES.items() if code.startswith(known)), "")
    return found and f": {found}"
