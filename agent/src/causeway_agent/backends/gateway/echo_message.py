"""A question to a gateway over its UDP port, and its answer: is the line between us good?

    question: kind (1), session (8), sequence (8), tag (32), wish (1), zeros (4), wrapped client key
    answer:   kind (1), session (8), sequence (8), time (8) where it was wished for, tag (32)
    tag = HMAC-SHA256(K, all before it)
    K = HMAC-SHA256(client key's hmac, "causeway gateway echo")

The wrapped key lies where an OpenVPN first packet has it, so that the packet filter knows it the same way.
The gateway opens it as it does for a first packet (`wrapped_key`); who does not hold the key gets no answer,
and an answer is shorter than any question. OpenVPN has no packets of these kinds. A tag never authenticates
an OpenVPN packet: it is made with a key that OpenVPN does not use. Nothing here raises on what arrives.

The time is the gateway's, Unix time in seconds: it takes no first packet of another time (`known_keys`), and
only this says why. A gateway that knows no wishes answers without, an asker that has none is answered so.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Final

from causeway_agent.backends.gateway import wrapped_key

QUESTION: Final = 31 << 3
ANSWER: Final = 30 << 3
WRAPPED_OFFSET: Final = 54
"""Octets before the wrapped key, here and in an OpenVPN first packet."""

_HEADER = struct.Struct("!B8sQ")
_TIME = struct.Struct("!Q")
_TAG = 32
_WISHES_TIME = b"\1"
_CLIENT_KEY = 256
_SHORTEST_WRAPPED = _TAG + _CLIENT_KEY + 2


@dataclass(frozen=True, slots=True)
class Heard:
    """A genuine answer: to which question, and the gateway's time, which an older one does not tell."""

    sequence: int
    time: int | None


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the secret it shares with gateways, and what names it to them."""

    secret: bytes
    wrapped: bytes


def asker(pem: str) -> Asker:
    """The holder of this tls-crypt-v2 client key; raises ValueError when it is none."""
    key = wrapped_key.octets(pem, "client")
    if len(key) < _CLIENT_KEY + _SHORTEST_WRAPPED:
        raise ValueError("a tls-crypt-v2 client key is longer")
    return Asker(secret(key[192:224]), key[_CLIENT_KEY:])


def secret(client_hmac: bytes) -> bytes:
    """What both authenticate with, from the key that the client authenticates OpenVPN packets with."""
    return hmac.digest(client_hmac, b"causeway gateway echo", hashlib.sha256)


def question(who: Asker, session: bytes, sequence: int) -> bytes:
    """A question as it is sent; the session has 8 octets."""
    header = _HEADER.pack(QUESTION, session, sequence)
    said = header + _tag(who.secret, header) + _WISHES_TIME
    return said.ljust(WRAPPED_OFFSET, b"\0") + who.wrapped


def wrapped_of(packet: bytes) -> bytes | None:
    """The wrapped key in what has the shape of a question; None when it cannot be one."""
    if packet[:1] != bytes((QUESTION,)) or len(packet) < WRAPPED_OFFSET + _SHORTEST_WRAPPED:
        return None
    return packet[WRAPPED_OFFSET:]


def answer(packet: bytes, key: bytes, time: int) -> bytes | None:
    """The answer to this question at this Unix time; None when it was not made with this secret."""
    header = packet[: _HEADER.size]
    if not hmac.compare_digest(packet[_HEADER.size : _HEADER.size + _TAG], _tag(key, header)):
        return None
    said = bytes((ANSWER,)) + header[1:]
    if packet[_HEADER.size + _TAG :].startswith(_WISHES_TIME):
        said += _TIME.pack(time)
    return said + _tag(key, said)


def answered(packet: bytes, who: Asker, session: bytes) -> Heard | None:
    """What a genuine answer to us says; None for anything else."""
    said, tag = packet[:-_TAG], packet[-_TAG:]
    if len(said) not in (_HEADER.size, _HEADER.size + _TIME.size):
        return None
    if not hmac.compare_digest(tag, _tag(who.secret, said)):
        return None
    kind, to, sequence = _HEADER.unpack_from(said)
    time = _TIME.unpack_from(said, _HEADER.size)[0] if len(said) > _HEADER.size else None
    return Heard(sequence, time) if (kind, to) == (ANSWER, session) else None


def _tag(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, hashlib.sha256)
