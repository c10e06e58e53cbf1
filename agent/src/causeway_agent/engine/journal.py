"""The journal: documents, the pointer to the one in force, and the last changes.

Layout below the state directory:

    journal.json             the pointer: schema, epoch, current, previous and last attempted document
    documents/GENERATION.json  canonical text of a document, secrets included
    changes/ID.json          one record per change, the last `CHANGES_KEPT`

The pointer is the only commit point. Damage is reported and survived: with an unreadable current document the
previous one is used, with an unreadable pointer the changes say what was last done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from causeway_agent.engine import ports
from causeway_agent.errors import BackendError
from causeway_wire import codec
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError
from causeway_wire.types import ChangeId, Epoch, Generation

CHANGES_KEPT = 50
POINTER = "journal.json"
DOCUMENTS = "documents/"
CHANGES = "changes/"

T = TypeVar("T")
Migration = Callable[[dict[str, Any]], dict[str, Any]]

MIGRATIONS: tuple[Migration, ...] = ()
"""Migration number N turns a pointer of schema N into one of schema N + 1; the first schema is 1."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """Names one document: its generation, the SHA-256 of its file, the change that brought it."""

    generation: Generation
    checksum: str
    change: ChangeId


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force, what was before, and what was tried last."""

    schema: int
    epoch: Epoch = 0
    """Highest epoch ever accepted."""
    current: Stamp | None = None
    previous: Stamp | None = None
    attempted: Stamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the journal knows at boot."""

    document: Desired | None
    """The last document that was in force and can be read."""
    interrupted: Desired | None
    """The document of a change that was cut; what it brought may still be in the kernel."""
    changes: tuple[Change, ...]
    damage: tuple[str, ...]
    """Sentences about what could not be read."""


class Journal:
    """Reads and writes the journal. Blocking; every write raises `errors.BackendError` when it fails."""

    def __init__(self, storage: ports.Storage, *, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
        self._storage = storage
        self._migrations = migrations
        self._schema = len(migrations) + 1
        self._pointer = Pointer(schema=self._schema)

    @property
    def pointer(self) -> Pointer:
        """The pointer as last written or recovered."""
        return self._pointer

    def recover(self) -> Recovered:
        """Everything that can be read; never raises for damaged content."""
        damage: list[str] = []
        changes = self._read_changes(damage)
        pointer = self._read_pointer(damage)
        if pointer is None:
            pointer = self._rebuild(changes, damage)
        document, stamp = self._first_readable(pointer, damage)
        if stamp != pointer.current:
            pointer = msgspec.structs.replace(pointer, current=stamp, previous=None)
        self._pointer = pointer
        return Recovered(
            document=document,
            interrupted=self._interrupted(damage),
            changes=changes,
            damage=tuple(damage),
        )

    def prepare(self, change: Change, document: Desired) -> None:
        """Remember an accepted change and its document. Nothing is in force by this."""
        data = codec.encode(document)
        stamp = Stamp(
            generation=document.generation, checksum=hashlib.sha256(data).hexdigest(), change=change.id
        )
        self._storage.write(_document_name(document.generation), data)
        self.record(change)
        epoch = max(self._pointer.epoch, document.epoch)
        self._write_pointer(msgspec.structs.replace(self._pointer, epoch=epoch, attempted=stamp))

    def commit(self) -> None:
        """Put the attempted document in force: the one write that decides. The document before it is kept."""
        pointer = self._pointer
        self._write_pointer(
            msgspec.structs.replace(pointer, current=pointer.attempted, previous=pointer.current)
        )

    def reaffirm(self) -> None:
        """Write the pointer as it is known once more: a failed write may have reached the disk or not."""
        self._write_pointer(self._pointer)

    def conclude(self, change: Change) -> None:
        """Record a final change, and forget documents that are neither in force nor the one before."""
        self.record(change)
        stamps = (self._pointer.current, self._pointer.previous)
        kept = {_document_name(stamp.generation) for stamp in stamps if stamp is not None}
        for name in self._storage.names(DOCUMENTS):
            if name not in kept:
                self._storage.delete(name)

    def record(self, change: Change) -> None:
        """Write a change's record; the oldest beyond `CHANGES_KEPT` go, never the one in force."""
        self._storage.write(_change_name(change.id), codec.encode(change))
        names = self._storage.names(CHANGES)
        current = self._pointer.current
        kept = {_change_name(change.id), _change_name(current.change) if current else ""}
        excess = len(names) - CHANGES_KEPT
        for name in [n for n in names if n not in kept][: max(excess, 0)]:
            self._storage.delete(name)

    def _write_pointer(self, pointer: Pointer) -> None:
        self._storage.write(POINTER, codec.encode(pointer))
        self._pointer = pointer

    def _read_pointer(self, damage: list[str]) -> Pointer | None:
        data = self._read(POINTER, damage)
        if data is None:
            return None
        try:
            raw: dict[str, Any] = codec.decode(data, dict)
            schema = raw.get("schema")
            if not isinstance(schema, int) or not 1 <= schema <= self._schema:
                damage.append(f"{POINTER}: schema {schema!r} is not one of 1 to {self._schema}")
                return None
            for migrate in self._migrations[schema - 1 :]:
                raw = migrate(raw)
            return msgspec.convert({**raw, "schema": self._schema}, Pointer)
        except (ProblemError, msgspec.ValidationError) as error:
            damage.append(f"{POINTER}: {error}")
            return None

    def _read_changes(self, damage: list[str]) -> tuple[Change, ...]:
        try:
            names = self._storage.names(CHANGES)
        except BackendError as error:
            damage.append(str(error))
            return ()
        found = (self._decoded(name, Change, damage) for name in names)
        return tuple(change for change in found if change is not None)

    def _read(self, name: str, damage: list[str]) -> bytes | None:
        """The file's content; None when there is none, and when the disk cannot read it."""
        try:
            return self._storage.read(name)
        except BackendError as error:
            damage.append(str(error))
            return None

    def _decoded(self, name: str, kind: type[T], damage: list[str]) -> T | None:
        data = self._read(name, damage)
        try:
            return codec.decode(data, kind) if data is not None else None
        except ProblemError as error:
            damage.append(f"{name}: {error}")
            return None

    def _rebuild(self, changes: tuple[Change, ...], damage: list[str]) -> Pointer:
        """A pointer from the records of finished changes, for a journal whose pointer cannot be read."""
        done, begun = [], []
        for change in changes:
            data = self._read(_document_name(change.generation), damage)
            if data is None:
                continue
            checksum = hashlib.sha256(data).hexdigest()
            stamp = Stamp(generation=change.generation, checksum=checksum, change=change.id)
            if change.state is ChangeState.DONE:
                done.append(stamp)
            elif not change.final:
                begun.append(stamp)
        return Pointer(
            schema=self._schema,
            epoch=max((change.epoch for change in changes), default=0),
            current=done[-1] if done else None,
            previous=done[-2] if len(done) > 1 else None,
            attempted=next(reversed([*done, *begun]), None),
        )

    def _first_readable(self, pointer: Pointer, damage: list[str]) -> tuple[Desired | None, Stamp | None]:
        for stamp in (pointer.current, pointer.previous):
            document = self._read_document(stamp, damage) if stamp is not None else None
            if document is not None:
                return document, stamp
        return None, None

    def _interrupted(self, damage: list[str]) -> Desired | None:
        stamp = self._pointer.attempted
        if stamp is None or stamp == self._pointer.current:
            return None
        if self._read(_document_name(stamp.generation), damage) is None:
            return None  # it was concluded
        return self._read_document(stamp, damage)

    def _read_document(self, stamp: Stamp, damage: list[str]) -> Desired | None:
        name = _document_name(stamp.generation)
        data = self._read(name, damage)
        if data is None:
            damage.append(f"{name}: missing")
            return None
        if hashlib.sha256(data).hexdigest() != stamp.checksum:
            damage.append(f"{name}: the content is not what was written")
            return None
        return self._decoded(name, Desired, damage)


def _document_name(generation: Generation) -> str:
    return f"{DOCUMENTS}{generation}.json"


def _change_name(change: ChangeId) -> str:
    return f"{CHANGES}{change}.json"
