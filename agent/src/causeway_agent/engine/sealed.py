"""Records that say when they are damaged: JSON objects whose last member is a checksum over all the rest.

    {"state":"done", ... ,"checksum":{"schema":1,"sha256":"..."}}

The digest covers the record's name too, so that no file can stand in for another. Whoever knows nothing of
checksums reads the record all the same: an older system, started again after an update that was no good, must
find its document.
"""

from __future__ import annotations

import hashlib

from causeway_agent.errors import DamagedError

_BEFORE = b',"checksum":{"schema":1,"sha256":"'
_AFTER = b'"}}'
_DIGITS = 64
_LENGTH = len(_BEFORE) + _DIGITS + len(_AFTER)


def seal(name: str, text: bytes) -> bytes:
    """The record as it is written; `text` is a JSON object with members."""
    return text[:-1] + _BEFORE + _digest(name, text) + _AFTER


def is_sealed(data: bytes) -> bool:
    """Whether this ends like a record with a checksum; records of the first schema do not."""
    tail = data[-_LENGTH:]
    return tail.startswith(_BEFORE) and tail.endswith(_AFTER)


def unseal(name: str, data: bytes) -> bytes:
    """The record's text; raises DamagedError when anything of it is not what was written."""
    text = data[:-_LENGTH] + b"}"
    if not is_sealed(data) or data[-_LENGTH + len(_BEFORE) : -len(_AFTER)] != _digest(name, text):
        raise DamagedError(name, "the content is not what was written")
    return text


def _digest(name: str, text: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + text).hexdigest().encode()
