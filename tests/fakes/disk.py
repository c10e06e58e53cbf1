"""A disk of slots in memory that can die at any step, in the middle of what it writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from causeway_agent.slots import loader
from causeway_agent.slots.disk import ENTRIES, NoRoomError
from causeway_wire.update import Slot
from tests.update_files import FIRST_ENTRY, ROOT_OCTETS


class KilledError(BaseException):
    """The machine lost its power here."""


class FakeDisk:
    """Implements `disk.Disk`. `steps`: how many it lives on, None for ever."""

    def __init__(self, *, room: int = 1 << 27) -> None:
        self.files: dict[str, bytes] = {f"{ENTRIES}/a.conf": FIRST_ENTRY}
        self.roots = {slot: bytearray(ROOT_OCTETS) for slot in Slot}
        self.steps: int | None = None
        self.taken = 0
        self._room = room
        self.touched: set[Slot] = set()
        """Slots whose root was written to."""

    def names(self, directory: str) -> tuple[str, ...]:
        """Those below it."""
        prefix = f"{directory}/"
        return tuple(sorted(name.removeprefix(prefix) for name in self.files if name.startswith(prefix)))

    def read(self, path: str) -> bytes | None:
        """As it is."""
        return self.files.get(path)

    def write(self, path: str, content: Iterable[bytes]) -> None:
        """As it was, missing, empty or whole when it dies."""
        pieces = []
        for piece in content:
            self._step()
            pieces.append(piece)
        whole = b"".join(pieces)
        if len(whole) > self.room():
            raise NoRoomError(f"no room for {path}")
        self._step()
        # A renamed file has its name on FAT before it has its content.
        self.files[path] = b""
        self._step()
        self.files[path] = whole
        self._step()

    def delete(self, path: str) -> None:
        """Gone."""
        self._step()
        self.files.pop(path, None)
        self._step()

    def digest(self, path: str) -> str:
        """Of what is there."""
        self._step()
        return hashlib.sha256(self.files[path]).hexdigest()

    def room(self) -> int:
        """What is left of it."""
        return self._room - sum(len(content) for content in self.files.values())

    def size(self, path: str) -> int:
        """Its octets."""
        return len(self.files.get(path, b""))

    def fill(self, slot: Slot, content: Iterable[bytes]) -> None:
        """Piece by piece."""
        self.touched.add(slot)
        self.roots[slot] = bytearray(ROOT_OCTETS)
        place = 0
        for piece in content:
            self._step()
            if place + len(piece) > ROOT_OCTETS:
                raise NoRoomError(f"does not fit into {slot}")
            self.roots[slot][place : place + len(piece)] = piece
            place += len(piece)
        self._step()

    def root_digest(self, slot: Slot, octets: int) -> str:
        """Of what is there."""
        self._step()
        return hashlib.sha256(self.roots[slot][:octets]).hexdigest()

    def root_octets(self, slot: Slot) -> int:
        """Both are alike."""
        return ROOT_OCTETS

    def _step(self) -> None:
        if self.steps is not None:
            if self.steps == 0:
                raise KilledError
            self.steps -= 1
        self.taken += 1


def start(disk: FakeDisk) -> Slot:
    """What systemd-boot would start now, with one try taken from an entry that counts."""
    entries = [
        entry
        for name in disk.names(ENTRIES)
        if (entry := loader.parse(name, disk.files[f"{ENTRIES}/{name}"])) is not None
    ]
    chosen = loader.first(entries)
    assert chosen is not None, "nothing starts"
    if chosen.left:
        done = int(chosen.name.partition("-")[2].removesuffix(".conf") or 0) + 1
        text = disk.files.pop(f"{ENTRIES}/{chosen.name}")
        disk.files[f"{ENTRIES}/{chosen.slot}+{chosen.left - 1}-{done}.conf"] = text
    return chosen.slot
