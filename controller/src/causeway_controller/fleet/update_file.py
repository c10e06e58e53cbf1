"""An update file: read once, to know what is announced, and sent in pieces."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs
from multidict import istr

from causeway_controller import system_words
from causeway_controller.errors import StoreError
from causeway_wire import codec, update_file
from causeway_wire.problem import ProblemError
from causeway_wire.update import Manifest

CHUNK = 256 * 1024
DIGEST = istr("Content-Digest")
"""RFC 9530."""

Progress = Callable[[int, int], None]
"""Octets that were sent, and how many there are."""


def silent(_sent: int, _all: int) -> None:
    """No progress is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFile:
    """A file that was read once, to know what is announced."""

    path: Path
    octets: int
    sha256: str
    build: str
    manifest: Manifest
    progress: Progress = silent

    @property
    def headers(self) -> Mapping[istr, str]:
        """What announces it."""
        digest = base64.b64encode(bytes.fromhex(self.sha256)).decode()
        return {
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.CONTENT_LENGTH: str(self.octets),
            DIGEST: f"sha-256=:{digest}:",
        }

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its content."""
        sent = 0
        with self.path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
                sent += len(chunk)
                self.progress(sent, self.octets)


def read(path: Path, *, progress: Progress = silent) -> UpdateFile:
    """The update in this file; blocking. Raises StoreError when it is none."""
    try:
        with path.open("rb") as file:
            head = update_file.unpack_head(file.read(update_file.BLOCK))
            if head.name != update_file.MANIFEST or head.octets > update_file.MANIFEST_LIMIT:
                raise StoreError(f"{path} is no update file of Causeway")
            text = file.read(head.octets)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            octets = file.tell()
        manifest = codec.decode(text, Manifest)
    except (OSError, update_file.NotAnUpdateError, ProblemError) as error:
        raise StoreError(f"{path} cannot be read as an update file: {system_words.why(error)}") from error
    return UpdateFile(
        path=path,
        octets=octets,
        sha256=digest,
        build=update_file.build_of(text),
        manifest=manifest,
        progress=progress,
    )
