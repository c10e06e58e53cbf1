"""The keys that the vault's secrets are sealed with. They come from outside the store and never enter it.

As text: a line for each key, its number and 32 octets in base64 (RFC 4648, 4); lines that are empty or begin
with `#` say nothing. The highest number seals, every one opens: a rotation adds a line, and takes the old one
away when nothing is sealed with it any more. No error shows what a source holds.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from causeway_controller import files
from causeway_controller.errors import MasterKeyError
from causeway_controller.trust import bounded_command
from causeway_wire.types import Secret

KEY_OCTETS: Final = 32
MAX_NUMBER: Final = 0xFFFF
"""A sealed value says its key in two octets."""
CREDENTIAL: Final = "master.key"
"""What the unit calls it: `LoadCredentialEncrypted=master.key:...` (systemd.exec(5))."""

_MAX_OCTETS: Final = 64 * 1024
_FEWEST_DIFFERENT: Final = 8
"""Octets of a key: 32 random ones have fewer once in 10^30; a placeholder has them."""
_HEADER: Final = """\
# Keys of the vault of a Causeway controller: number and 32 octets in base64. The highest number seals.
# Without them no secret in the store opens. Keep a copy away from the backups of the store.
"""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A regular file, of this user or root, that nobody else can read."""

    path: Path

    def __str__(self) -> str:
        return f"the file {self.path}"


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential `master.key` in the directory that systemd names in `$CREDENTIALS_DIRECTORY`."""

    directory: Path

    def __str__(self) -> str:
        return f"the credential {CREDENTIAL} in {self.directory}"


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """What a command writes to its standard output, such as one that asks a key service. No shell runs it."""

    arguments: tuple[str, ...]
    seconds: float = 30.0

    def __str__(self) -> str:
        return f"the command {self.arguments[0] if self.arguments else 'without a name'}"


Source = KeyFile | Credential | KeyCommand


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """Keys by number, at least one; `source` says where they are from."""

    source: str
    _keys: Mapping[int, bytes] = field(repr=False)

    @property
    def newest(self) -> int:
        """The number of the key that seals."""
        return max(self._keys)

    @property
    def numbers(self) -> tuple[int, ...]:
        """All numbers, ascending."""
        return tuple(sorted(self._keys))

    def octets(self, number: int) -> bytes:
        """The key itself, for the vault. Raises KeyError."""
        return self._keys[number]

    def text(self) -> Secret:
        """The keys as `parse` reads them."""
        lines = (f"{number} {base64.b64encode(self._keys[number]).decode()}\n" for number in self.numbers)
        return Secret(_HEADER + "".join(lines))

    def with_new(self) -> MasterKeys:
        """These keys and a new one, which seals from now on. Raises MasterKeyError when no number is left."""
        return _checked(
            self.source, [*self._keys.items(), (self.newest + 1, secrets.token_bytes(KEY_OCTETS))]
        )


def make(source: str = "a new key") -> MasterKeys:
    """A first key, number 1."""
    return MasterKeys(source, {1: secrets.token_bytes(KEY_OCTETS)})


def create(path: Path) -> MasterKeys:
    """Make a first key and keep it in a new file. Raises MasterKeyError, also when the file is there."""
    source = KeyFile(path)
    keys = make(str(source))
    try:
        files.create(path, keys.text().reveal().encode(), mode=files.PRIVATE)
    except FileExistsError as error:
        raise _refused(source, "it is there already and is left as it is; add a key to it instead") from error
    except OSError as error:
        raise _refused(source, f"it cannot be written ({error.strerror})") from error
    return keys


def replace(path: Path, keys: MasterKeys) -> None:
    """Put these keys in place of those in the file, at once. Raises MasterKeyError; then it is as it was."""
    source = KeyFile(path)
    try:
        owner = path.lstat().st_uid
        if owner != os.geteuid():
            raise _refused(
                source, f"it is of user {owner}, who could not read a new one of ours; be that user"
            )
        files.write(path, keys.text().reveal().encode(), mode=files.PRIVATE)
    except OSError as error:
        raise _refused(source, f"it cannot be replaced ({error.strerror})") from error


def read(source: Source) -> MasterKeys:
    """Read the keys. Raises MasterKeyError, which names the source and what to do."""
    match source:
        case KeyFile(path):
            return _parse(source, _file(source, path, others=stat.S_IRWXG | stat.S_IRWXO))
        case Credential(directory):
            # With an access list of the unit's user, the group's bits show the list's mask (acl(5)).
            others = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
            return _parse(source, _file(source, directory / CREDENTIAL, others=others))
        case KeyCommand(arguments, seconds):
            return _parse(source, _answer(source, arguments, seconds))


def parse(text: Secret, *, source: str) -> MasterKeys:
    """The keys in this text. Raises MasterKeyError, which says the line and nothing of what is in it."""
    lines = [line.split() for line in text.reveal().splitlines()]
    items = [
        _item(words, f"{source}, line {number}")
        for number, words in enumerate(lines, start=1)
        if words and not words[0].startswith("#")
    ]
    return _checked(source, items)


def _parse(source: Source, octets: bytes) -> MasterKeys:
    try:
        return parse(Secret(octets.decode("ascii")), source=str(source))
    except UnicodeDecodeError:
        # Not chained: the error of the codec carries the octets.
        raise _refused(source, "it is no text; it wants lines of a number and base64") from None


def _item(words: list[str], where: str) -> tuple[int, bytes]:
    match words:
        case [number, text] if number.isdecimal() and 1 <= len(number) <= len(str(MAX_NUMBER)):
            pass
        case _:
            raise MasterKeyError(f"{where} is not a number of at most {MAX_NUMBER} and a key in base64")
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MasterKeyError(f"the key in {where} is not base64") from None
    if len(key) != KEY_OCTETS:
        raise MasterKeyError(f"the key in {where} has {len(key)} octets, {KEY_OCTETS} are wanted")
    if len(set(key)) < _FEWEST_DIFFERENT:
        raise MasterKeyError(f"the key in {where} is a placeholder, not random; make one")
    return int(number), key


def _checked(source: str, items: Iterable[tuple[int, bytes]]) -> MasterKeys:
    keys: dict[int, bytes] = {}
    for number, key in items:
        if not 1 <= number <= MAX_NUMBER:
            raise MasterKeyError(f"{source} has a key numbered {number}; numbers are 1 to {MAX_NUMBER}")
        if number in keys:
            raise MasterKeyError(f"{source} has two keys numbered {number}; take the wrong one away")
        if key in keys.values():
            raise MasterKeyError(f"{source} has key {number} under another number, too; make a new one")
        keys[number] = key
    if not keys:
        raise MasterKeyError(f"{source} has no key in it; make one, or restore the file of keys")
    return MasterKeys(source, keys)


def _answer(source: Source, arguments: tuple[str, ...], seconds: float) -> bytes:
    try:
        return bounded_command.output(arguments, seconds=seconds, octets=_MAX_OCTETS)
    except bounded_command.CommandFailed as error:
        raise _refused(source, f"{error}; run it by hand as the controller's user") from error


def _file(source: Source, path: Path, *, others: int) -> bytes:
    """What is in the file. Others may not have any of the rights `others`."""
    try:
        # Not blocking, or a FIFO in its place would hold us here.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        hint = "it must be a regular file, no link, which the controller's user can read"
        if isinstance(error, FileNotFoundError):
            hint = "put your copy of it back; where nothing was sealed yet `causeway setup` makes one"
        raise _refused(source, f"it cannot be opened ({error.strerror}); {hint}") from error
    try:
        _check(source, os.fstat(descriptor), others)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            octets = file.read(_MAX_OCTETS + 1)
    finally:
        os.close(descriptor)
    if len(octets) > _MAX_OCTETS:
        raise _refused(source, f"it has more than {_MAX_OCTETS} octets")
    return octets


def _check(source: Source, status: os.stat_result, others: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(source, "it is not a regular file")
    if status.st_uid not in {0, os.geteuid()}:
        raise _refused(
            source, f"it is of user {status.st_uid}, neither root nor the one who reads it; be that one"
        )
    if status.st_mode & others:
        mode = stat.S_IMODE(status.st_mode)
        raise _refused(source, f"others may use it (mode {mode:04o}); chmod 0600, then make a new key")


def _refused(source: Source, reason: str) -> MasterKeyError:
    return MasterKeyError(f"master keys from {source}: {reason}")
