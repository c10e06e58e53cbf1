"""Sealed secrets: AES-256-GCM, each bound to the place where it is kept. No file and no database here.

A sealed value is base64 text of: version (1 octet), number of the key (2), nonce (12), ciphertext with tag.
Version, number and place are the associated data (RFC 5116, 2.1), so a value that was moved to another row or
column, or that claims another key, does not open. The key is derived (HKDF, RFC 5869) from the master key and
a salt that each store makes for itself, so neither does a value of another store, even under one master key.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from causeway_controller.errors import SealBroken
from causeway_wire.types import Secret

SALT_OCTETS: Final = 32
KEY_OCTETS: Final = 32

_VERSION: Final = 1
_HEAD: Final = struct.Struct("!BH")
_NONCE_OCTETS: Final = 12
"""Random ones: 2^32 values may be sealed with one key (NIST SP 800-38D, 8.3)."""
_TAG_OCTETS: Final = 16
_CONTEXT: Final = b"causeway vault 1"
_DAMAGED: Final = "it was changed or moved, or another key of that number sealed it; enter it again"
_MALFORMED: Final = "what is kept is no sealed value; enter it again"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value is kept; `key` is the primary key of its row."""

    table: str
    column: str
    key: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'/'.join(self.key)} ({self.table}.{self.column})"


@dataclass(frozen=True, slots=True)
class SaltedKey:
    """A master key, and the salt that this store has for it."""

    octets: bytes = field(repr=False)
    salt: bytes


class Vault:
    """Keys by number, at least one: the highest seals, all of them open. Safe to share between threads."""

    def __init__(self, keys: Mapping[int, SaltedKey]) -> None:
        self._ciphers = {number: AESGCM(_derived(key)) for number, key in keys.items()}
        self.newest = max(keys)

    def seal(self, place: Place, value: Secret) -> str:
        """The value as it may be kept at this place, and nowhere else."""
        head, nonce = _HEAD.pack(_VERSION, self.newest), os.urandom(_NONCE_OCTETS)
        text = value.reveal().encode("utf-8")
        sealed = self._ciphers[self.newest].encrypt(nonce, text, _associated(head, place))
        return base64.b64encode(head + nonce + sealed).decode("ascii")

    def open(self, place: Place, sealed: str) -> Secret:
        """The value that was sealed for this place. Raises SealBroken."""
        octets, number = _parsed(place, sealed)
        cipher = self._ciphers.get(number)
        if cipher is None:
            reason = f"this controller does not hold key {number}; give it that key and start it again"
            raise SealBroken(str(place), number, reason)
        head, rest = octets[: _HEAD.size], octets[_HEAD.size :]
        try:
            text = cipher.decrypt(rest[:_NONCE_OCTETS], rest[_NONCE_OCTETS:], _associated(head, place))
        except InvalidTag:
            raise SealBroken(str(place), number, _DAMAGED) from None
        return Secret(text.decode("utf-8"))

    def stale(self, place: Place, sealed: str) -> bool:
        """Whether another key than the newest sealed it. Raises SealBroken."""
        return _parsed(place, sealed)[1] != self.newest


def make_salt() -> bytes:
    """A salt for a key that this store has not used before."""
    return os.urandom(SALT_OCTETS)


def _derived(key: SaltedKey) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_OCTETS, salt=key.salt, info=_CONTEXT).derive(key.octets)


def _associated(head: bytes, place: Place) -> bytes:
    """As JSON, in which no two places are written alike."""
    return head + msgspec.json.encode([place.table, place.column, *place.key])


def _parsed(place: Place, sealed: str) -> tuple[bytes, int]:
    """The octets of a sealed value, and the number of the key that they claim."""
    try:
        octets = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        raise SealBroken(str(place), None, _MALFORMED) from None
    if len(octets) < _HEAD.size + _NONCE_OCTETS + _TAG_OCTETS:
        raise SealBroken(str(place), None, _MALFORMED)
    version, number = _HEAD.unpack_from(octets)
    if version != _VERSION:
        reason = f"it is of version {version}; this program knows {_VERSION}: install a newer one"
        raise SealBroken(str(place), None, reason)
    return octets, int(number)
