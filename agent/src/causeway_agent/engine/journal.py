"""The journal: documents, the pointer to the one in force, and the last changes.

Layout below the state directory:

    journal.json             the pointer: schema, epoch, current, previous and last attempted document
    journal.copy.json        the same, written before it
    documents/GENERATION.json  canonical text of a document, secrets included; the pointer holds its checksum
    changes/ID.json          one record per change, the last `CHANGES_KEPT`

The pointer is the only commit point. Every record carries a checksum (`sealed`). Damage is told, and never
taken for an older truth: the copy stands in for the pointer, because it is as new or newer by a change that
nobody was told the end of; for a document nothing stands in. Then none is in force until it is sent again.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from causeway_agent.engine import ports, sealed
from causeway_agent.errors import BackendError, DamagedError
from causeway_wire import codec
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError
from causeway_wire.types import ChangeId, Epoch, Generation

CHANGES_KEPT = 50
POINTER = "journal.json"
COPY = "journal.copy.json"
DOCUMENTS = "documents/"
CHANGES = "changes/"

Migration = Callable[[dict[str, Any]], dict[str, Any]]

MIGRATIONS: tuple[Migration, ...] = ()
"""Migration number N turns a pointer of schema N into one of schema N + 1; the first schema is 1."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names one document: its generation, the SHA-256 of its file, the change that brought it."""

    generation: Generation
    checksum: str
    change: ChangeId


class Pointer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    """The document in force; None when there is none, and when damage leaves it unknown."""
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
        self._turn = threading.RLock()
        """Held from reading the pointer to writing it anew."""
        self._first_schema = False
        """Whether the pointer was written before there were checksums: then records need none."""
        self._unsealed: dict[str, Change] = {}
        self._spoiled: list[str] = []
        """Records of changes that nobody can read any more."""
        self._doubtful = False
        """Whether pointer and copy may differ from what is known."""

    @property
    def pointer(self) -> Pointer:
        """The pointer as last written or recovered."""
        return self._pointer

    def recover(self) -> Recovered:
        """Everything that can be read; writes nothing, never raises for damaged content."""
        damage: list[str] = []
        pointer = self._read_pointer(damage)
        changes = self._read_changes(damage)
        self._pointer = pointer or self._without_pointer(changes, damage)
        current = self._pointer.current
        return Recovered(
            document=self._read_document(current, damage) if current is not None else None,
            interrupted=self._interrupted(damage),
            changes=changes,
            damage=tuple(damage),
        )

    def mend(self) -> None:
        """Write anew what `recover` found without a checksum or damaged, as it was understood: records of
        changes first, the pointer last, and no pointer where there was none to read. Raises BackendError.
        """
        for name, change in self._unsealed.items():
            self._storage.write(name, sealed.seal(name, codec.encode(change)))
        for name in self._spoiled:
            self._storage.delete(name)
        if self._doubtful:
            self.reaffirm()
        self._unsealed, self._spoiled = {}, []

    def prepare(self, change: Change, document: Desired) -> None:
        """Remember an accepted change and its document. Nothing is in force by this."""
        data = codec.encode(document)
        stamp = Stamp(
            generation=document.generation, checksum=hashlib.sha256(data).hexdigest(), change=change.id
        )
        self._storage.write(_document_name(document.generation), data)
        self.record(change)
        with self._turn:
            epoch = max(self._pointer.epoch, document.epoch)
            self._move(msgspec.structs.replace(self._pointer, epoch=epoch, attempted=stamp))

    def fence(self, epoch: Epoch) -> None:
        """Remember that this epoch was accepted. Written only when it is higher than all before it."""
        with self._turn:
            if epoch > self._pointer.epoch:
                self._move(msgspec.structs.replace(self._pointer, epoch=epoch))

    def commit(self) -> None:
        """Put the attempted document in force: the one write that decides. The document before it is kept."""
        with self._turn:
            pointer = self._pointer
            self._write_pointer(
                msgspec.structs.replace(pointer, current=pointer.attempted, previous=pointer.current)
            )

    def reaffirm(self) -> None:
        """Write the pointer as it is known once more: a failed write may have reached the disk or not."""
        with self._turn:
            self._write_pointer(self._pointer)

    def conclude(self, change: Change) -> None:
        """Record a final change, and forget documents that are neither in force nor the one before.

        First the pointer, where one that was not to be written may be on the disk: the next start would put a
        document in force that was taken back, or look in vain for one that is forgotten here.
        """
        if self._doubtful:
            self.mend()
        self.record(change)
        stamps = (self._pointer.current, self._pointer.previous)
        kept = {_document_name(stamp.generation) for stamp in stamps if stamp is not None}
        for name in self._storage.names(DOCUMENTS):
            if name not in kept:
                self._storage.delete(name)

    def record(self, change: Change) -> None:
        """Write a change's record; the oldest beyond `CHANGES_KEPT` go, never the one in force."""
        own = _change_name(change.id)
        self._storage.write(own, sealed.seal(own, codec.encode(change)))
        names = self._storage.names(CHANGES)
        current = self._pointer.current
        kept = {own, _change_name(current.change) if current else ""}
        excess = len(names) - CHANGES_KEPT
        for name in [n for n in names if n not in kept][: max(excess, 0)]:
            self._storage.delete(name)

    def _move(self, pointer: Pointer) -> None:
        """Write a pointer that puts nothing else in force; where that fails, the one before once more."""
        try:
            self._write_pointer(pointer)
        except BackendError:
            with contextlib.suppress(BackendError):
                self.reaffirm()
            raise

    def _write_pointer(self, pointer: Pointer) -> None:
        """The copy first: alone it is never older than what the pointer says."""
        self._doubtful = True
        for name in (COPY, POINTER):
            self._storage.write(name, sealed.seal(name, codec.encode(pointer)))
        self._pointer, self._doubtful = pointer, False

    def _read_pointer(self, damage: list[str]) -> Pointer | None:
        own, copy = self._read_one(POINTER, damage), self._read_one(COPY, damage)
        pointer = own or copy
        self._doubtful = pointer is not None and (own != copy or self._first_schema)
        if own is None and copy is not None:
            damage.append(f"{POINTER}: cannot be read; its copy stands in")
        return pointer

    def _read_one(self, name: str, damage: list[str]) -> Pointer | None:
        data = self._read(name, damage)
        if data is None:
            return None
        try:
            first = name == POINTER and not sealed.is_sealed(data)
            raw: dict[str, Any] = codec.decode(data if first else sealed.unseal(name, data), dict)
            pointer = self._migrated(name, raw)
        except (ProblemError, msgspec.ValidationError) as error:
            damage.append(f"{name}: {error}")
            return None
        except DamagedError as error:
            damage.append(str(error))
            return None
        self._first_schema = self._first_schema or first
        return pointer

    def _migrated(self, name: str, raw: dict[str, Any]) -> Pointer:
        schema = raw.get("schema")
        if not isinstance(schema, int) or not 1 <= schema <= self._schema:
            raise DamagedError(name, f"schema {schema!r} is not one of 1 to {self._schema}")
        for migrate in self._migrations[schema - 1 :]:
            raw = migrate(raw)
        return msgspec.convert({**raw, "schema": self._schema}, Pointer)

    def _read_changes(self, damage: list[str]) -> tuple[Change, ...]:
        try:
            names = self._storage.names(CHANGES)
        except BackendError as error:
            damage.append(str(error))
            return ()
        found = (self._read_change(name, damage) for name in names)
        return tuple(change for change in found if change is not None)

    def _read_change(self, name: str, damage: list[str]) -> Change | None:
        data = self._read(name, damage)
        if data is None:
            return None
        try:
            if self._first_schema and not sealed.is_sealed(data):
                change = self._unsealed[name] = codec.decode(data, Change)
                return change
            return codec.decode(sealed.unseal(name, data), Change)
        except (ProblemError, DamagedError) as error:
            damage.append(f"{name}: {error}" if isinstance(error, ProblemError) else str(error))
            self._spoiled.append(name)
            return None

    def _read(self, name: str, damage: list[str]) -> bytes | None:
        """The file's content; None when there is none, and when the disk cannot read it."""
        try:
            return self._storage.read(name)
        except BackendError as error:
            damage.append(str(error))
            return None

    def _without_pointer(self, changes: tuple[Change, ...], damage: list[str]) -> Pointer:
        """Nothing is in force: what was, cannot be known. The highest epoch can: changes carry it."""
        if any(change.state is ChangeState.DONE for change in changes):
            damage.append(f"{POINTER}: it is lost, and with it which document is in force; send it again")
        return Pointer(schema=self._schema, epoch=max((change.epoch for change in changes), default=0))

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
            damage.append(f"{name}: the content is not what was written; send the document again")
            return None
        try:
            return codec.decode(data, Desired)
        except ProblemError as error:
            damage.append(f"{name}: {error}")
            return None


def _document_name(generation: Generation) -> str:
    return f"{DOCUMENTS}{generation}.json"


def _change_name(change: ChangeId) -> str:
    return f"{CHANGES}{change}.json"
