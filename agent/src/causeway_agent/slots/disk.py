"""What installing needs of a disk. `medium` is the real one; the tests have one that can be killed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from causeway_agent.errors import AgentError
from causeway_wire.update import Slot

ENTRIES = "loader/entries"
"""Where systemd-boot looks, on the EFI system partition."""


class NoRoomError(AgentError):
    """What should be written does not fit."""


class Disk(Protocol):
    """The EFI system partition, by paths below its root, and the root partition of each slot.

    Whatever changes something has reached the medium when it returns. Raises OSError when the disk refuses.
    """

    def names(self, directory: str) -> tuple[str, ...]:
        """Names in this directory, sorted; none when it does not exist."""

    def read(self, path: str) -> bytes | None:
        """The file's content, None when there is none."""

    def write(self, path: str, content: Iterable[bytes]) -> None:
        """Make the file, directories included; raises NoRoomError.

        A power cut meanwhile leaves it as it was, whole, missing or empty: what must not be lost is deleted
        after this has returned, never replaced.
        """

    def delete(self, path: str) -> None:
        """Remove the file if it exists."""

    def digest(self, path: str) -> str:
        """SHA-256 of the file, read from the medium."""

    def room(self) -> int:
        """Free octets on the EFI system partition."""

    def size(self, path: str) -> int:
        """Octets of the file, 0 when there is none."""

    def fill(self, slot: Slot, content: Iterable[bytes]) -> None:
        """Write the root partition from its beginning, all else of it zero; raises NoRoomError."""

    def root_digest(self, slot: Slot, octets: int) -> str:
        """SHA-256 of so many octets of the root partition, read from the medium."""

    def root_octets(self, slot: Slot) -> int:
        """Size of the root partition."""
