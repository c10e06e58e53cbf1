"""OpenVPN tls-crypt-v2 keys (openvpn/doc/tls-crypt-v2.txt), so that no key is made by a foreign process.

The server key wraps every client key. Whoever holds the server key, here the VPN server and the cloud
gateway, learns from a client's first packet which tenant and tunnel it claims, and that we made the claim.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import struct

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from causeway_controller.errors import StoreError
from causeway_wire import codec
from causeway_wire.types import KeyTag, Secret, TenantId, TunnelId

SERVER_LABEL = "OpenVPN tls-crypt-v2 server key"
CLIENT_LABEL = "OpenVPN tls-crypt-v2 client key"

SERVER_KEY_OCTETS = 128
CLIENT_KEY_OCTETS = 256
MAX_METADATA_OCTETS = 733
"""Besides the type octet; OpenVPN limits the wrapped key to 1024 (TLS_CRYPT_V2_MAX_WKC_LEN)."""

_USER_METADATA = b"\x00"
_TAG_OCTETS = 32
_LENGTH = struct.Struct("!H")
_ENCRYPTION = slice(0, 32)
_AUTHENTICATION = slice(64, 96)
_PEM = re.compile(r"-----BEGIN (?P<label>[\w -]+?)-----\s(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a client key's metadata says: JSON with these two members."""

    tenant: TenantId
    tunnel: TunnelId


def make_server_key() -> Secret:
    """A new server key, PEM."""
    return _pem(SERVER_LABEL, os.urandom(SERVER_KEY_OCTETS))


def make_client_key(server_key: Secret, claim: Claim) -> Secret:
    """A new client key, PEM: the key and the same key wrapped for the server together with the claim.

    Raises ValueError when the claim is too long to be carried, StoreError when `server_key` is not one.
    """
    metadata = msgspec.json.encode(claim)
    if len(metadata) > MAX_METADATA_OCTETS:
        raise ValueError(
            f"tls-crypt-v2 metadata of {len(metadata)} octets, at most {MAX_METADATA_OCTETS} fit"
        )
    key = os.urandom(CLIENT_KEY_OCTETS)
    return _pem(CLIENT_LABEL, key + _wrap(_octets(SERVER_LABEL, server_key), key + _USER_METADATA + metadata))


def read_claim(server_key: Secret, client_key: Secret) -> Claim:
    """What a client key claims; raises StoreError when this server key did not wrap it."""
    octets = _octets(CLIENT_LABEL, client_key)
    plain = _unwrap(_octets(SERVER_LABEL, server_key), octets[CLIENT_KEY_OCTETS:])
    if plain is None or plain[:CLIENT_KEY_OCTETS] != octets[:CLIENT_KEY_OCTETS]:
        raise StoreError("the tls-crypt-v2 client key was not wrapped by this server key")
    try:
        return msgspec.json.decode(plain[CLIENT_KEY_OCTETS + 1 :], type=codec.ready(Claim))
    except msgspec.DecodeError as error:
        raise StoreError("the tls-crypt-v2 client key carries foreign metadata") from error


def read_tag(client_key: Secret) -> KeyTag:
    """The tag of the wrapped key, which every first packet made with it carries in clear.

    Raises StoreError when `client_key` is not one.
    """
    wrapped = _octets(CLIENT_LABEL, client_key)[CLIENT_KEY_OCTETS:]
    return wrapped[:_TAG_OCTETS].hex()


def _wrap(server_key: bytes, plain: bytes) -> bytes:
    """T || AES-256-CTR(Ke, IV = T[0:16], plain) || length, with T = HMAC-SHA256(Ka, length || plain)."""
    length = _LENGTH.pack(_TAG_OCTETS + len(plain) + _LENGTH.size)
    tag = hmac.digest(server_key[_AUTHENTICATION], length + plain, "sha256")
    return tag + _cipher(server_key, tag, plain) + length


def _unwrap(server_key: bytes, wrapped: bytes) -> bytes | None:
    """The plain text of a wrapped key, or None when the tag does not match."""
    tag, length = wrapped[:_TAG_OCTETS], wrapped[-_LENGTH.size :]
    plain = _cipher(server_key, tag, wrapped[_TAG_OCTETS : -_LENGTH.size])
    genuine = hmac.digest(server_key[_AUTHENTICATION], length + plain, "sha256")
    return plain if hmac.compare_digest(tag, genuine) and length == _LENGTH.pack(len(wrapped)) else None


def _cipher(server_key: bytes, tag: bytes, text: bytes) -> bytes:
    context = Cipher(algorithms.AES256(server_key[_ENCRYPTION]), modes.CTR(tag[:16])).encryptor()
    return context.update(text) + context.finalize()


def _pem(label: str, octets: bytes) -> Secret:
    text = base64.b64encode(octets).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return Secret("\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]))


def _octets(label: str, pem: Secret) -> bytes:
    match = _PEM.search(pem.reveal())
    if match is None or match["label"] != label:
        raise StoreError(f"not a PEM block `{label}`")
    octets = base64.b64decode(match["body"])
    shortest = CLIENT_KEY_OCTETS + _TAG_OCTETS + CLIENT_KEY_OCTETS + 3
    if len(octets) != SERVER_KEY_OCTETS if label == SERVER_LABEL else len(octets) < shortest:
        raise StoreError(f"`{label}` has {len(octets)} octets")
    return octets
