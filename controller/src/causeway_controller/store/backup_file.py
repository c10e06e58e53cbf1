"""The file of a backup: what is in a database of either kind, as lines of JSON, compressed.

A header, then each table with its columns and its rows, then the number of rows and the SHA-256 of all lines
before. Tables come in an order in which each only refers to those before it. It holds secrets sealed only.
The digest tells damage, not deceit: who can replace the file can replace the digest.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from causeway_controller import files
from causeway_controller.errors import StoreError

FORMAT: Final = "causeway-backup"
VERSION: Final = 1
_LONGEST_LINE: Final = 64 * 1024 * 1024

Value = str | int | None


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Of what state of the store, made when and by which version of Causeway; `revision` is of its tables."""

    format: str
    version: int
    revision: str
    made: datetime
    program: str


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begins a table; the rows follow."""

    table: str
    columns: tuple[str, ...]


class End(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last line."""

    rows: int
    sha256: str


Row = tuple[Value, ...]


class Writer:
    """Lines of a backup, in order; nothing of it is there before `end`."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._rows = 0

    def header(self, header: Header) -> None:
        self._line(header)

    def table(self, name: str, columns: tuple[str, ...], rows: Iterable[Row]) -> int:
        """Write a table and return how many rows it has."""
        self._line(Table(table=name, columns=columns))
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007 - it is returned
            self._line(row)
        self._rows += count
        return count

    def end(self) -> End:
        """Write the last line and return it."""
        end = End(rows=self._rows, sha256=self._digest.hexdigest())
        self._line(end)
        return end

    def _line(self, value: object) -> None:
        line = msgspec.json.encode(value) + b"\n"
        self._digest.update(line)
        self._file.write(line)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Write a backup that was not there; it is there when the context ends well. Raises StoreError."""
    try:
        with (
            files.creating(path, mode=files.PRIVATE) as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        ):
            yield Writer(packed)
    except FileExistsError as error:
        raise StoreError(f"{path} is there already; name another file") from error
    except OSError as error:
        raise StoreError(f"the backup {path} cannot be written: {error.strerror}") from error


def opened(path: Path) -> BinaryIO:
    """Open a backup, to be read by whoever is then less than now. Raises StoreError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreError(f"the backup {path} cannot be read: {error.strerror}") from error


@contextmanager
def reading(source: Path | BinaryIO) -> Iterator[Reader]:
    """Read a backup, `opened` or not; what was opened stays open, and is read from its beginning.

    Raises StoreError, for whatever is not as it was written too.
    """
    path = named(source)
    with ExitStack() as ours:
        file = ours.enter_context(opened(source)) if isinstance(source, Path) else source
        file.seek(0)
        yield Reader(path, ours.enter_context(gzip.GzipFile(fileobj=file, mode="rb")))


def named(source: Path | BinaryIO) -> Path:
    """Return how it is called where it is told of."""
    return source if isinstance(source, Path) else Path(source.name)


class Reader:
    """A backup from its first line to its last, once."""

    def __init__(self, path: Path, file: gzip.GzipFile) -> None:
        self._path = path
        self._file = file
        self._digest = hashlib.sha256()
        self._end: End | None = None

    @property
    def end(self) -> End:
        """The last line, when all `batches` were read. Raises ValueError before."""
        if self._end is None:
            raise ValueError("the backup was not read to its end")
        return self._end

    def header(self) -> Header:
        """The header; to be read first. Raises StoreError, for a backup of another version too."""
        plain = self._decoded(self._line(), dict[str, object])
        if plain.get("format") != FORMAT:
            raise StoreError(f"{self._path} is no backup of a Causeway controller")
        if plain.get("version") != VERSION:
            newer = f"it was made by Causeway {plain.get('program')}, in another format; restore it with that"
            raise StoreError(f"the backup {self._path} cannot be read: {newer}")
        try:
            return msgspec.convert(plain, Header)
        except msgspec.ValidationError as error:
            raise self._damaged(str(error)) from error

    def batches(self, size: int) -> Iterator[tuple[Table, list[Row]]]:
        """The rows, a few at a time, each table at least once.

        What was read is right only when the iteration has ended without StoreError.
        """
        table, rows, count = None, list[Row](), 0
        while True:
            before, line = self._digest.hexdigest(), self._line()
            if table is not None and line.startswith(b"["):
                rows.append(self._row(table, line))
                count += 1
                if len(rows) == size:
                    yield table, rows
                    rows = []
                continue
            if table is not None:
                yield table, rows
            rows = []
            if line.startswith(b'{"rows":'):
                self._check_end(self._decoded(line, End), End(rows=count, sha256=before))
                return
            table = self._decoded(line, Table)

    def _row(self, table: Table, line: bytes) -> Row:
        row: Row = self._decoded(line, Row)
        if len(row) != len(table.columns):
            raise self._damaged(f"a row of {table.table} has {len(row)} values")
        return row

    def _check_end(self, end: End, right: End) -> None:
        if end != right:
            raise self._damaged("its digest is wrong")
        if self._octets():
            raise self._damaged("something follows its end")
        self._end = end

    def _line(self) -> bytes:
        line = self._octets()
        if not line.endswith(b"\n"):
            raise self._damaged("it is cut off")
        self._digest.update(line)
        return line

    def _octets(self) -> bytes:
        try:
            return self._file.readline(_LONGEST_LINE)
        except (OSError, EOFError, zlib.error) as error:  # a wrong checksum is an OSError
            raise self._damaged("it cannot be unpacked") from error

    def _decoded(self, line: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._damaged("a line of it cannot be read") from error

    def _damaged(self, why: str) -> StoreError:
        return StoreError(f"the backup {self._path} is damaged: {why}; take another copy of it")
