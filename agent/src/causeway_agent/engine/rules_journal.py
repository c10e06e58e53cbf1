"""The table of public rules on the disk: snapshots, and a log of the changes since.

Layout below the state directory:

    public-rules/log                   first line: the snapshot in force; then one line per change since
    public-rules/REVISION-DIGEST.json  a snapshot: the table as it was sent, or when the log had grown

Each line is its CRC-32 in hexadecimal, a blank, and JSON. The log decides: a snapshot is in force once the
log names it, a change once its line is whole. A torn last line was never answered for and is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from dataclasses import dataclass, field

import msgspec

from causeway_agent.engine import ports
from causeway_agent.errors import BackendError, CompileError
from causeway_agent.plan.public_rules import Table
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from causeway_wire.public_rules import PublicRules, PublicRulesPatch, Revision

LOG = "public-rules/log"
SNAPSHOTS = "public-rules/"
LONGEST_LOG = 4 * 1024 * 1024
"""Octets of changes after which the table is written anew; a change of one rule takes about 300."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """First line of the log."""

    schema: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the disk holds."""

    table: PublicRules | None
    patches: tuple[PublicRulesPatch, ...]
    damage: tuple[str, ...] = field(default=())


class RulesJournal:
    """Reads and writes the table. Blocking; every write raises `errors.BackendError` when it fails."""

    def __init__(self, storage: ports.Storage) -> None:
        self._storage = storage
        self._length = 0
        self._sound = False
        """Whether the log ends where we think: a line may be added."""

    @property
    def sound(self) -> bool:
        """Whether changes may be appended; else the table must be written anew."""
        return self._sound

    @property
    def long(self) -> bool:
        """Whether the table should be written anew, when there is time."""
        return self._length > LONGEST_LOG or (self._length > 0 and not self._sound)

    def recover(self) -> Recovered:
        """Everything that can be read; never raises for damaged content."""
        damage: list[str] = []
        try:
            data = self._storage.read(LOG)
        except BackendError as error:
            return Recovered(table=None, patches=(), damage=(str(error),))
        if data is None:
            return Recovered(table=None, patches=())
        lines, torn = _lines(data)
        self._length, self._sound = len(data), not torn
        table = self._snapshot(lines[0], damage) if lines else None
        if table is None:
            return Recovered(
                table=None, patches=(), damage=(*damage, f"{LOG}: names no table that can be read")
            )
        patches: list[PublicRulesPatch] = []
        for line in lines[1:]:
            try:
                patches.append(codec.decode(line, PublicRulesPatch))
            except ProblemError as error:
                damage.append(f"{LOG}: {error}")
                self._sound = False
                break
        return Recovered(table=table, patches=tuple(patches), damage=tuple(damage))

    def stage(self, revision: Revision, table: bytes) -> Snapshot:
        """Write a whole table. It is not in force by this."""
        sha256 = hashlib.sha256(table).hexdigest()
        # The name tells contents apart: the table in force is never written over.
        snapshot = Snapshot(schema=1, name=f"{SNAPSHOTS}{revision}-{sha256[:16]}.json", sha256=sha256)
        self._storage.write(snapshot.name, table)
        return snapshot

    def commit(self, snapshot: Snapshot) -> None:
        """Put the staged table in force: the one write that decides; then forget those before it."""
        line = _line(codec.encode(snapshot))
        self._sound = False
        self._storage.write(LOG, line)
        self._length, self._sound = len(line), True
        with contextlib.suppress(BackendError):  # the next one tries again
            for name in self._storage.names(SNAPSHOTS):
                if name not in (LOG, snapshot.name):
                    self._storage.delete(name)

    def append(self, patch: PublicRulesPatch) -> None:
        """Remember a change of the table in force; raises BackendError, then it is not in force."""
        if not self._sound:
            raise BackendError(f"append to {LOG}", "its end is damaged; the table must be written anew")
        line = _line(codec.encode(patch))
        self._sound = False
        self._storage.append(LOG, line)
        self._length, self._sound = self._length + len(line), True

    def _snapshot(self, line: bytes, damage: list[str]) -> PublicRules | None:
        try:
            named = codec.decode(line, Snapshot)
            data = self._storage.read(named.name)
            if data is None or hashlib.sha256(data).hexdigest() != named.sha256:
                damage.append(f"{named.name}: the content is not what was written")
                return None
            return codec.decode(data, PublicRules)
        except (ProblemError, BackendError) as error:
            damage.append(f"{LOG}: {error}")
            return None


def restore(recovered: Recovered) -> tuple[Table, tuple[str, ...]]:
    """The table after its changes, and sentences about what could not be restored of it."""
    table, damage = Table(), list(recovered.damage)
    try:
        if recovered.table is not None:
            table, _ = table.whole(recovered.table, None)
        for patch in recovered.patches:
            if patch.base != table.revision:
                damage.append(f"a change of revision {patch.base} follows revision {table.revision}")
                break
            table.change(patch, None)
    except CompileError as error:
        damage.append(str(error))
    return table, tuple(damage)


def _lines(data: bytes) -> tuple[list[bytes], bool]:
    """The whole lines up to the first that is not, and whether there was one."""
    found: list[bytes] = []
    *whole, rest = data.split(b"\n")
    for line in whole:
        checksum, _, text = line.partition(b" ")
        if checksum != _checksum(text):
            return found, True
        found.append(text)
    return found, bool(rest)


def _line(text: bytes) -> bytes:
    return _checksum(text) + b" " + text + b"\n"


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()
