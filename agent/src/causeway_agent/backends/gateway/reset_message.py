"""A question to an OpenVPN server, beside any tunnel: do you talk to new clients now? And its answer.

It is a client's first packet (`wrapped_key` has its layout), after which we say nothing more. OpenVPN from
2.6 on answers it without keeping anything in mind (doc/tls-crypt-v2.txt, "cookie support"), so no session is
begun, and none that there is already is dropped.

    answer: opcode and key id (1), session id (8), packet number (4), time (4), tag (32),
            AES-256-CTR(cipher, tag[:16], text), which names the asker's session
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import Final

from causeway_agent.backends.gateway import aes_ctr, wrapped_key

_QUESTION: Final = 10 << 3  # P_CONTROL_HARD_RESET_CLIENT_V3, key 0
_ANSWER: Final = 8  # P_CONTROL_HARD_RESET_SERVER_V2
_NUMBERS: Final = 0x0F000000
"""EARLY_NEG_START of OpenVPN's ssl_pkt.h: the client knows stateless answers."""
_HEADER: Final = struct.Struct("!B8sII")
_TAG: Final = 32
_TEXT: Final = bytes(5)
"""An empty acknowledgement list (1) and message number 0 (4)."""
_CLIENT_KEY: Final = 256


@dataclass(frozen=True, slots=True)
class _Half:
    """The keys of one direction."""

    cipher: bytes = field(repr=False)
    hmac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the keys of both directions, and what names them to gateway and server."""

    sends: _Half
    receives: _Half
    wrapped: bytes = field(repr=False)


def asker(pem: str) -> Asker:
    """The holder of this tls-crypt-v2 client key; raises ValueError when it is none."""
    key = wrapped_key.octets(pem, "client")
    if len(key) <= _CLIENT_KEY:
        raise ValueError("a tls-crypt-v2 client key is longer")
    # A client sends with the second half of its pair (KEY_DIRECTION_INVERSE in OpenVPN's crypto.h).
    receives, sends = (_Half(key[at : at + 32], key[at + 64 : at + 96]) for at in (0, 128))
    return Asker(sends, receives, key[_CLIENT_KEY:])


def question(who: Asker, session: bytes, number: int, time: int) -> bytes:
    """A question as it is sent; the session has 8 octets, the time is Unix time in seconds.

    The number makes it another one: a gateway lets none pass twice. Of a session they count from 1.
    """
    header = _HEADER.pack(_QUESTION, session, _NUMBERS + number, time)
    tag = hmac.digest(who.sends.hmac, header + _TEXT, hashlib.sha256)
    return header + tag + aes_ctr.apply(who.sends.cipher, tag[:16], _TEXT) + who.wrapped


def answers(packet: bytes, who: Asker, session: bytes) -> bool:
    """Whether this is the server's genuine answer to a question of this session."""
    head, tag, rest = (
        packet[: _HEADER.size],
        packet[_HEADER.size : _HEADER.size + _TAG],
        packet[_HEADER.size + _TAG :],
    )
    if packet[:1] == b"" or packet[0] >> 3 != _ANSWER or not rest:
        return False
    text = aes_ctr.apply(who.receives.cipher, tag[:16].ljust(16, b"\0"), rest)
    genuine = hmac.compare_digest(hmac.digest(who.receives.hmac, head + text, hashlib.sha256), tag)
    return genuine and session in text
