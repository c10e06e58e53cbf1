"""The first packet of an OpenVPN client that uses tls-crypt-v2, verified without talking to anyone.

Layout and keys: OpenVPN doc/tls-crypt-v2.txt and src/openvpn/tls_crypt.c. P_CONTROL_HARD_RESET_CLIENT_V3 is

    header: opcode and key id (1), session id (8), packet number (4), time (4)
    tag (32) = HMAC-SHA256(Kc.hmac, header || text)
    AES-256-CTR(Kc.cipher, tag[:16], text)
    WKc = T (32) || AES-256-CTR(Ke, T[:16], Kc || metadata) || length (2)
    T = HMAC-SHA256(Ka, length || Kc || metadata)

where Ke and Ka are the server key's halves. Only the holder of Kc can make the tag, so a copied wrapped key
admits nobody. Nothing here raises on any input, whatever its bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from causeway_agent.backends.gateway import aes_ctr
from causeway_wire.types import TenantId, TunnelId

_OPCODE = 10  # P_CONTROL_HARD_RESET_CLIENT_V3
_HEADER = 17
_TAG = 32
_CLIENT_KEY = 256  # struct key2: twice cipher (64) and hmac (64)
_LENGTH = 2
_METADATA_LIMIT = 733  # TLS_CRYPT_V2_MAX_METADATA_LEN, octets
_SHORTEST_TEXT = 5  # an empty acknowledgement list (1) and a message number (4)
_LONGEST_PACKET = 2048
_WRAPPED = range(_TAG + _CLIENT_KEY + 1 + _LENGTH, _TAG + _CLIENT_KEY + 1 + _METADATA_LIMIT + _LENGTH + 1)
_USER_METADATA = 0


class Refusal(StrEnum):
    """Why a packet admits nobody."""

    NOT_A_FIRST_PACKET = "not-a-first-packet"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A tenant's tls-crypt-v2 server key."""

    tenant: TenantId
    cipher: bytes
    hmac: bytes


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """A genuine first packet: whose it is, when its sender's clock says it was made, and what marks it."""

    tenant: TenantId
    tunnel: TunnelId
    time: int
    """Unix time, seconds."""
    tag: bytes
    """Different for every packet ever sent."""


def octets(pem: str, whose: str) -> bytes:
    """What this PEM text of a tls-crypt-v2 client or server key holds; raises ValueError when it is none."""
    body = "".join(line for line in pem.splitlines() if line and not line.startswith("-"))
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a tls-crypt-v2 {whose} key") from error


def server_key(tenant: TenantId, pem: str) -> ServerKey:
    """The key in this PEM text; raises ValueError when it is none."""
    key = octets(pem, "server")
    if len(key) != _CLIENT_KEY // 2:
        raise ValueError("a tls-crypt-v2 server key has 128 octets")
    return ServerKey(tenant, key[0:32], key[64:96])


@dataclass(frozen=True, slots=True)
class Letter:
    """What has the shape of a first packet, taken apart; nothing of it is proven."""

    outer: bytes
    """What comes before the wrapped key."""
    wrapped: bytes

    @property
    def key_tag(self) -> bytes:
        """The wrapped key's: always the same for one key."""
        return self.wrapped[:_TAG]

    @property
    def tag(self) -> bytes:
        """The packet's own: different for every packet ever sent."""
        return self.outer[_HEADER : _HEADER + _TAG]

    @property
    def time(self) -> int:
        """Unix time, seconds, by the sender's clock."""
        return int.from_bytes(self.outer[13:17], "big")


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client key that a known server key has wrapped; whose it is, and its wrapped form."""

    tenant: TenantId
    tunnel: TunnelId
    wrapped: bytes
    cipher: bytes
    hmac: bytes


def read(packet: bytes) -> Letter | None:
    """The parts of a first packet; None when it cannot be one."""
    if len(packet) > _LONGEST_PACKET or len(packet) < _HEADER + _TAG + _SHORTEST_TEXT + _WRAPPED.start:
        return None
    length = int.from_bytes(packet[-_LENGTH:], "big")
    if packet[0] >> 3 != _OPCODE or length not in _WRAPPED:
        return None
    letter = Letter(packet[:-length], packet[-length:])
    return letter if len(letter.outer) >= _HEADER + _TAG + _SHORTEST_TEXT else None


def open_key(wrapped: bytes, keys: Iterable[ServerKey]) -> ClientKey | Refusal:
    """The client key in here, if one of these server keys wrapped it. Costs microseconds per key."""
    for key in keys:
        opened = _unwrap(wrapped, key)
        if opened is not None:
            tunnel = _tunnel(opened[_CLIENT_KEY:], key.tenant)
            if tunnel is None:
                return Refusal.METADATA
            # A client sends with the second half of its key pair (KEY_DIRECTION_INVERSE in OpenVPN's
            # crypto.h).
            return ClientKey(key.tenant, tunnel, wrapped, opened[128:160], opened[192:224])
    return Refusal.UNKNOWN_KEY


def genuine(letter: Letter, key: ClientKey) -> bool:
    """Whether the holder of this key made the packet."""
    header, tag = letter.outer[:_HEADER], letter.tag
    text = aes_ctr.apply(key.cipher, tag[: aes_ctr.COUNTER_BYTES], letter.outer[_HEADER + _TAG :])
    return hmac.compare_digest(hmac.digest(key.hmac, header + text, hashlib.sha256), tag)


def verify(packet: bytes, keys: Iterable[ServerKey]) -> FirstPacket | Refusal:
    """Whose first packet this is, if one of these server keys wrapped its key and its key made it."""
    letter = read(packet)
    if letter is None:
        return Refusal.NOT_A_FIRST_PACKET
    key = open_key(letter.wrapped, keys)
    if isinstance(key, Refusal):
        return key
    if not genuine(letter, key):
        return Refusal.FORGED
    return FirstPacket(key.tenant, key.tunnel, letter.time, letter.tag)


def _unwrap(wrapped: bytes, key: ServerKey) -> bytes | None:
    """Client key and metadata, if this server key wrapped them."""
    tag, length = wrapped[:_TAG], wrapped[-_LENGTH:]
    text = aes_ctr.apply(key.cipher, tag[: aes_ctr.COUNTER_BYTES], wrapped[_TAG:-_LENGTH])
    genuine = hmac.compare_digest(hmac.digest(key.hmac, length + text, hashlib.sha256), tag)
    return text if genuine else None


def _tunnel(metadata: bytes, tenant: TenantId) -> TunnelId | None:
    """The tunnel named by the metadata, which must name the tenant whose key wrapped it."""
    if metadata[:1] != bytes((_USER_METADATA,)):
        return None
    try:
        named = json.loads(metadata[1:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(named, dict) or named.get("tenant") != tenant:
        return None
    tunnel = named.get("tunnel")
    return tunnel if isinstance(tunnel, str) else None
