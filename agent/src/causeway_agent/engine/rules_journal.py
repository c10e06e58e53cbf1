"""The table of public rules on the disk: snapshots, and a log of the changes since.

Layout below the state directory:

    public-rules/log                   first line: the snapshot in force; then one line per change since
    public-rules/REVISION-DIGEST.json  a snapshot: the table as it was sent, or when the log had grown

Each line is its CRC-32 in hexadecimal, a blank, and JSON. The log decides: a snapshot is in force once the
log names it, a change once its line is whole.

A line that lacks its end was being added when the power failed: it was never answered for and is ignored.
Only the last one can. Any other line that is not what was written is damage: what it said was answered for,
so no table is in force without it, and none is until it is sent again.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from dataclasses import dataclass, field

import msgspec

from causeway_agent.engine import ports
from causeway_agent.errors import BackendError, CompileError
from causeway_agent.plan.filter.public_rules import Table
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from causeway_wire.public_rules import PublicRules, PublicRulesPatch, Revision
from causeway_wire.types import Epoch

LOG = "public-rules/log"
SNAPSHOTS = "public-rules/"
LONGEST_LOG = 4 * 1024 * 1024
"""Octets of changes after which the table is written anew; a change of one rule takes about 300."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    epoch: Epoch = 0
    """The highest of all that can be read, in force or not."""


class RulesJournal:
    """Reads and writes the table. Blocking; every write raises `errors.BackendError` when it fails."""

    def __init__(self, storage: ports.Storage) -> None:
        self._storage = storage
        self._length = 0
        self._sound = False
        """Whether the log ends where we think: a line may be added."""
        self._damaged = False
        """Whether it stays as it is: a table that cannot be read is no reason to write an empty one."""

    @property
    def sound(self) -> bool:
        """Whether changes may be appended; else the table must be written anew."""
        return self._sound

    @property
    def long(self) -> bool:
        """Whether the table should be written anew, when there is time."""
        return not self._damaged and (self._length > LONGEST_LOG or (self._length > 0 and not self._sound))

    def recover(self) -> Recovered:
        """Everything that can be read; never raises for damaged content."""
        damage: list[str] = []
        try:
            data = self._storage.read(LOG)
        except BackendError as error:
            return Recovered(table=None, patches=(), damage=(str(error),))
        if data is None:
            return Recovered(table=None, patches=())
        lines, self._sound = _lines(data)
        self._length = len(data)
        table = self._snapshot(lines[0], damage) if lines else None
        patches = tuple(_patch(number, line, damage) for number, line in enumerate(lines[1:], 2))
        known = tuple(patch for patch in patches if patch is not None)
        if table is None or len(known) < len(patches):
            damage.append(f"{LOG}: which public rules are in force cannot be known; send the table again")
        self._damaged, self._sound = bool(damage), self._sound and not damage
        epoch = max((each.epoch for each in (table, *known) if each is not None), default=0)
        if damage:
            return Recovered(table=None, patches=(), damage=tuple(damage), epoch=epoch)
        return Recovered(table=table, patches=known, epoch=epoch)

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
        self._length, self._sound, self._damaged = len(line), True, False
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

    def _snapshot(self, line: bytes | None, damage: list[str]) -> PublicRules | None:
        if line is None:
            damage.append(f"{LOG}: line 1 is not what was written")
            return None
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
    """The table after its changes, or none and sentences about why it cannot be restored."""
    table = Table()
    try:
        if recovered.table is not None:
            table, _ = table.whole(recovered.table, None)
        for patch in recovered.patches:
            if patch.base != table.revision:
                sentence = f"a change of revision {patch.base} follows revision {table.revision}"
                return Table(), (*recovered.damage, sentence)
            table.change(patch, None)
    except CompileError as error:
        return Table(), (*recovered.damage, str(error))
    return table, recovered.damage


def _lines(data: bytes) -> tuple[list[bytes | None], bool]:
    """What the lines say, None for those that are not what was written, and whether the last has its end."""
    *whole, rest = data.split(b"\n")
    found = [_text(line) for line in whole]
    # A whole line whose end alone was changed says what it said.
    if rest and (last := _text(rest[:-1])) is not None:
        found.append(last)
    return found, not rest


def _text(line: bytes) -> bytes | None:
    checksum, _, text = line.partition(b" ")
    return text if checksum == _checksum(text) else None


def _patch(number: int, line: bytes | None, damage: list[str]) -> PublicRulesPatch | None:
    if line is None:
        damage.append(f"{LOG}: line {number} is not what was written")
        return None
    try:
        return codec.decode(line, PublicRulesPatch)
    except ProblemError as error:
        damage.append(f"{LOG}: line {number}: {error}")
        return None


def _line(text: bytes) -> bytes:
    return _checksum(text) + b" " + text + b"\n"


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()
