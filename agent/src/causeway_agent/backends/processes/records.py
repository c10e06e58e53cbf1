"""What the supervisor remembers of each process across a restart of the agent: enough to adopt it.

Records lie in a directory that only the agent may enter, on a file system that a reboot empties.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from causeway_agent.engine import sealed
from causeway_agent.errors import DamagedError
from causeway_agent.plan.model.processes import TlsProxy, VpnClient, VpnServer
from causeway_wire import codec
from causeway_wire.desired import Document
from causeway_wire.problem import ProblemError

External = VpnServer | VpnClient | TlsProxy
"""Specifications that are carried out by a process of their own."""

_KINDS: dict[str, type[VpnServer | VpnClient | TlsProxy]] = {
    kind.__name__: kind for kind in (VpnServer, VpnClient, TlsProxy)
}


class Identity(Document, frozen=True, kw_only=True):
    """A process that cannot be mistaken for another: its id and its start time in clock ticks since boot."""

    pid: int
    start_time: int


class Record(Document, frozen=True, kw_only=True):
    """A process that runs, and what it was started with."""

    kind: str
    specification: str
    """JSON text of the specification."""
    process: Identity
    digest: str
    """Of the complete configuration, keys included."""
    endpoint: int = 0
    """A client's: index of the endpoint in use."""
    slot: int = 0
    """A client's: index of its device in use."""
    carried: bool = False
    """A server's: whether it was seen to leave its packets to the kernel, as it is meant to."""
    lingering: tuple[Identity, ...] = ()
    """Predecessors that still serve connections opened before they were replaced."""

    def specified(self) -> External:
        """The specification; raises ProblemError when the text is none."""
        return codec.decode(self.specification.encode(), _KINDS[self.kind])


def record(
    specification: External,
    *,
    process: Identity,
    digest: str,
    endpoint: int = 0,
    slot: int = 0,
    lingering: tuple[Identity, ...] = (),
) -> Record:
    """The record of a process that was just started."""
    return Record(
        kind=type(specification).__name__,
        specification=codec.encode(specification).decode(),
        process=process,
        digest=digest,
        endpoint=endpoint,
        slot=slot,
        lingering=lingering,
    )


def digest(*texts: str) -> str:
    """Hex SHA-256 over texts, kept apart by their lengths."""
    state = hashlib.sha256()
    for text in texts:
        data = text.encode()
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Records:
    """The directory of records, one file per process name."""

    directory: Path

    def write(self, name: str, entry: Record) -> None:
        """Replace the record of this name."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self.directory / f".{name}"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(sealed.seal(name, codec.encode(entry)))
        beside.replace(self.directory / name)

    def delete(self, name: str) -> None:
        """Forget this name."""
        (self.directory / name).unlink(missing_ok=True)

    def read(self) -> dict[str, Record]:
        """All records by name; what is not what was written is forgotten, and its process is a stray."""
        found = {}
        for path in sorted(self.directory.glob("*")) if self.directory.is_dir() else ():
            try:
                entry = codec.decode(sealed.unseal(path.name, path.read_bytes()), Record)
                found[entry.specified().name] = entry
            except (ProblemError, DamagedError, KeyError):
                path.unlink()
        return found
