"""Reads an update file as it comes, holding little of it; what is not exactly one is refused."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Iterator

from causeway_wire import update_file
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update_file import Head

CHUNK = 256 * 1024
UNPACKED = 1024 * 1024
"""Octets that are unpacked at once."""
MEMORY = 80 * 1024 * 1024
"""Octets that unpacking may take: what `xz -9` asks for, and little more."""

Read = Callable[[int], bytes]
"""At most so many octets; none at the end."""


def refused(detail: str) -> ProblemError:
    """The problem of a file that is not for us."""
    return ProblemError(problem(ProblemType.UPDATE_REFUSED, detail))


class Archive:
    """An update file on its way in; its parts in order. Raises ProblemError `update-refused`."""

    def __init__(self, read: Read, *, octets: int) -> None:
        """`octets`: announced size of the whole file."""
        self._read = read
        self._left = octets
        self._digest = hashlib.sha256()

    def head(self) -> Head:
        """What comes next."""
        try:
            return update_file.unpack_head(self._exactly(update_file.BLOCK))
        except update_file.NotAnUpdateError as error:
            raise refused(str(error)) from error

    def whole(self, head: Head, *, limit: int) -> bytes:
        """The content of a small part."""
        if head.octets > limit:
            raise refused(f"{head.name} has more than {limit} octets")
        return b"".join(self.content(head))

    def content(self, head: Head) -> Iterator[bytes]:
        """The content of a part, piece by piece; it must be read to its end."""
        left = head.octets
        while left:
            piece = self._some(min(left, CHUNK))
            left -= len(piece)
            yield piece
        self._zeros(head.padding)

    def end(self, sha256: str) -> None:
        """Read what is after the last part; raises unless all was as announced."""
        self._zeros(len(update_file.END))
        if self._left:
            raise refused("something follows the end of the update file")
        if self._digest.hexdigest() != sha256:
            raise refused(
                "the file's SHA-256 is not the one announced; it was changed on its way: send it again"
            )

    def _zeros(self, octets: int) -> None:
        if octets and self._exactly(octets).strip(b"\0"):
            raise refused("the archive's padding is not empty")

    def _exactly(self, octets: int) -> bytes:
        pieces = []
        while octets:
            pieces.append(self._some(octets))
            octets -= len(pieces[-1])
        return b"".join(pieces)

    def _some(self, most: int) -> bytes:
        piece = self._read(min(most, self._left)) if self._left else b""
        if not piece:
            raise refused("the file ends too early")
        self._left -= len(piece)
        self._digest.update(piece)
        return piece


def unpacked(packed: Iterator[bytes], *, octets: int) -> Iterator[bytes]:
    """What xz made smaller, piece by piece; raises ProblemError when it is damaged or not so many octets."""
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY)
    left = octets
    try:
        for piece in packed:
            given = piece
            while not decoder.eof:
                made = decoder.decompress(given, max_length=UNPACKED)
                given = b""
                left -= len(made)
                if left < 0:
                    raise refused(f"{update_file.ROOT} holds more than the {octets} octets announced")
                if made:
                    yield made
                elif decoder.needs_input:
                    break
            if decoder.eof and decoder.unused_data:
                raise refused(f"something follows the end of what {update_file.ROOT} holds")
    except lzma.LZMAError as error:
        raise refused(f"{update_file.ROOT} cannot be unpacked: {error}") from error
    if left or not decoder.eof:
        raise refused(f"{update_file.ROOT} holds less than the {octets} octets announced")
