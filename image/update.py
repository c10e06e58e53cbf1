"""The update file: the system of a slot, for appliances that run already.

Equal inputs give equal bytes. The slot of a new disk gets the same manifest, so that an appliance can say
which build it runs and which it could go back to.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from causeway_wire import codec, update_file
from causeway_wire.update import FORMAT, Manifest, Member, Members
from image.workshop import BuildError

SIGNING_KEY = "CAUSEWAY_PUBLISHER_KEY"
"""Environment variable: a file with the publisher's Ed25519 private key (PKCS #8, PEM)."""
FILTERS = ({"id": lzma.FILTER_LZMA2, "preset": 0},)
"""Of xz, which the file format has for the root file system: that is compressed already."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The files of one slot, and what they are."""

    version: str
    commit: str
    options: str
    """The kernel's, without the root file system."""
    linux: Path
    initrd: Path
    root: Path


def options_of(entry: str) -> str:
    """The kernel's options in a loader entry, without the root file system."""
    lines = (line.partition(" ") for line in entry.splitlines())
    words = next(rest for key, _, rest in lines if key == "options").split()
    return " ".join(word for word in words if not word.startswith("root="))


def manifest(system: System, *, epoch: int) -> bytes:
    """The text that describes the system; `epoch`: its release, in seconds since 1970."""
    members = Members(linux=_member(system.linux), initrd=_member(system.initrd), root=_member(system.root))
    return codec.encode(
        Manifest(
            format=FORMAT,
            version=system.version,
            commit=system.commit,
            released=datetime.fromtimestamp(epoch, UTC),
            architecture=platform.machine(),
            options=system.options,
            members=members,
        )
    )


def pack(file: Path, *, system: System, text: bytes, epoch: int, key: Path | None) -> None:
    """Write the update file of this system and manifest, signed if there is a key."""
    packed = system.root.with_suffix(".xz")
    with system.root.open("rb") as source, lzma.open(packed, "wb", filters=FILTERS) as target:
        shutil.copyfileobj(source, target, _CHUNK)
    with file.open("wb") as archive:
        _add(archive, update_file.MANIFEST, text, epoch)
        if key is not None:
            _add(archive, update_file.SIGNATURE, _load(key).sign(text), epoch)
        for name, path in (
            (update_file.LINUX, system.linux),
            (update_file.INITRD, system.initrd),
            (update_file.ROOT, packed),
        ):
            with path.open("rb") as source, _part(archive, name, path.stat().st_size, epoch):
                shutil.copyfileobj(source, archive, _CHUNK)
        archive.write(update_file.END)
    packed.unlink()


def signing_key() -> Path | None:
    """The publisher's private key, if this build has one."""
    named = os.environ.get(SIGNING_KEY)
    return Path(named) if named else None


def public_key(key: Path) -> bytes:
    """What goes into systems that take signed updates only (SubjectPublicKeyInfo, PEM)."""
    return (
        _load(key)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _load(key: Path) -> Ed25519PrivateKey:
    loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(loaded, Ed25519PrivateKey):
        raise BuildError(f"image: {key} is no Ed25519 key")
    return loaded


def _member(path: Path) -> Member:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Member(octets=path.stat().st_size, sha256=digest)


def _add(archive: BinaryIO, name: str, content: bytes, epoch: int) -> None:
    with _part(archive, name, len(content), epoch):
        archive.write(content)


@contextmanager
def _part(archive: BinaryIO, name: str, octets: int, epoch: int) -> Iterator[None]:
    head = update_file.Head(name, octets)
    archive.write(update_file.pack_head(head, epoch=epoch))
    yield
    archive.write(bytes(head.padding))
