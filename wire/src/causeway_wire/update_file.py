"""The layout of an update file: a ustar archive (POSIX.1-2024, pax) of plain files in a fixed order.

    manifest.json   `update.Manifest`
    manifest.sig    Ed25519 signature (RFC 8032) of that text by the publisher, 64 octets; may be missing
    linux           the kernel
    initrd          its initial RAM file system
    root.xz         the root file system, compressed

Only what this module writes is read: a stream of heads and contents, never an archive's freedoms.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

BLOCK = 512
"""Contents are filled up to it with zeros."""
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
LINUX = "linux"
INITRD = "initrd"
ROOT = "root.xz"
MANIFEST_LIMIT = 64 * 1024
SIGNATURE_OCTETS = 64
END = bytes(2 * BLOCK)
"""After the last content."""

_NAME, _OCTETS, _EPOCH, _SUM = slice(0, 100), slice(124, 136), slice(136, 148), slice(148, 156)
_NUMBERS = ((100, 0o644), (108, 0), (116, 0))
"""Places of mode, user and group."""
_KIND, _PLAIN_FILE = 156, b"0"
_MAGIC = slice(257, 265)


class NotAnUpdateError(ValueError):
    """These octets are not laid out as an update file."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a content."""

    name: str
    octets: int

    @property
    def padding(self) -> int:
        """Zeros after the content."""
        return -self.octets % BLOCK


def build_of(manifest: bytes) -> str:
    """The name of the build that this text describes."""
    return hashlib.sha256(manifest).hexdigest()


def pack_head(head: Head, *, epoch: int) -> bytes:
    """The block before a content; a reproducible one: owner root, mode 0644, dated with the epoch."""
    block = bytearray(BLOCK)
    name = head.name.encode("ascii")
    block[: len(name)] = name
    for place, value in _NUMBERS:
        block[place : place + 8] = b"%07o\0" % value
    block[_OCTETS] = b"%011o\0" % head.octets
    block[_EPOCH] = b"%011o\0" % epoch
    block[_KIND : _KIND + 1] = _PLAIN_FILE
    block[_MAGIC] = b"ustar\x0000"
    block[265:269] = block[297:301] = b"root"
    block[_SUM] = b"%06o\0 " % _sum(block)
    return bytes(block)


def unpack_head(block: bytes) -> Head:
    """What this block announces; raises NotAnUpdateError for anything that `pack_head` does not write."""
    try:
        head = Head(block[_NAME].rstrip(b"\0").decode("ascii"), _octal(block[_OCTETS]))
        if pack_head(head, epoch=_octal(block[_EPOCH])) == block:
            return head
    except ValueError as error:
        raise NotAnUpdateError(str(error)) from error
    raise NotAnUpdateError("this is no update file, or it is damaged")


def _sum(block: bytes | bytearray) -> int:
    """The sum of all octets, those of the sum itself counted as spaces."""
    return sum(block) - sum(block[_SUM]) + 8 * ord(" ")


def _octal(field: bytes) -> int:
    digits = field.rstrip(b"\0 ")
    if not digits or digits.strip(b"01234567"):
        raise NotAnUpdateError("a number of the archive is not octal")
    return int(digits, 8)
