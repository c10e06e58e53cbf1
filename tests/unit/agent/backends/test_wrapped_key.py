"""First packets are believed when they are genuine, and garbage of any shape is refused in silence."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.gateway import wrapped_key
from causeway_agent.backends.gateway.wrapped_key import FirstPacket, Refusal, ServerKey
from causeway_controller.trust import tls_crypt

SECRET = tls_crypt.make_server_key()
KEY = wrapped_key.server_key("acme", SECRET.reveal())
OTHER = wrapped_key.server_key("other", tls_crypt.make_server_key().reveal())
NOW = 1_800_000_000


def encrypt(key: bytes, tag: bytes, text: bytes) -> bytes:
    context = Cipher(algorithms.AES256(key), modes.CTR(tag[:16])).encryptor()
    return context.update(text) + context.finalize()


def first_packet(
    key: ServerKey = KEY, *, metadata: bytes | None = None, opcode: int = 10, forged: bool = False
) -> bytes:
    """A packet as a client makes it (tls_crypt_wrap of OpenVPN's tls_crypt.c)."""
    if metadata is None:
        metadata = b"\0" + json.dumps({"tenant": "acme", "tunnel": "acme-web"}).encode()
    client = os.urandom(256)
    plain = client + metadata
    length = struct.pack("!H", 32 + len(plain) + 2)
    tag = hmac.digest(key.hmac, length + plain, hashlib.sha256)
    wrapped = tag + encrypt(key.cipher, tag, plain) + length
    header = bytes((opcode << 3,)) + os.urandom(8) + struct.pack("!II", 1, NOW)
    text = b"\0" + struct.pack("!I", 0)
    signing = os.urandom(32) if forged else client[192:224]
    outer = hmac.digest(signing, header + text, hashlib.sha256)
    return header + outer + encrypt(client[128:160], outer, text) + wrapped


def test_a_genuine_packet_tells_whose_it_is() -> None:
    packet = first_packet()
    assert wrapped_key.verify(packet, [OTHER, KEY]) == FirstPacket("acme", "acme-web", NOW, packet[17:49])


def test_a_key_made_by_the_controller_is_understood() -> None:
    claim = tls_crypt.Claim(tenant="acme", tunnel="acme-web")
    pem = tls_crypt.make_client_key(SECRET, claim).reveal()
    assert tls_crypt.read_claim(SECRET, tls_crypt.make_client_key(SECRET, claim)) == claim
    assert "client key" in pem


def test_a_key_of_another_server_key_is_unknown() -> None:
    assert wrapped_key.verify(first_packet(OTHER), [KEY]) is Refusal.UNKNOWN_KEY
    assert wrapped_key.verify(first_packet(), []) is Refusal.UNKNOWN_KEY


def test_a_copied_wrapped_key_alone_admits_nobody() -> None:
    assert wrapped_key.verify(first_packet(forged=True), [KEY]) is Refusal.FORGED


@pytest.mark.parametrize(
    "metadata",
    [
        b"\x01" + struct.pack("!Q", NOW),
        b"\0not json",
        b"\0[]",
        b"\0\xff\xfe",
        b"\0" + b"[" * 700,
        b'\0{"tenant": "other", "tunnel": "acme-web"}',
        b'\0{"tenant": "acme"}',
        b'\0{"tenant": "acme", "tunnel": 5}',
    ],
)
def test_metadata_must_name_the_key_s_own_tenant_and_a_tunnel(metadata: bytes) -> None:
    assert wrapped_key.verify(first_packet(metadata=metadata), [KEY]) is Refusal.METADATA


@pytest.mark.parametrize("opcode", [0, 1, 7, 9, 11, 31])
def test_other_packets_are_no_first_packets(opcode: int) -> None:
    assert wrapped_key.verify(first_packet(opcode=opcode), [KEY]) is Refusal.NOT_A_FIRST_PACKET


@given(st.data())
def test_a_changed_or_cut_packet_is_refused(data: st.DataObject) -> None:
    packet = bytearray(first_packet())
    place = data.draw(st.integers(0, len(packet) - 1))
    packet[place] ^= data.draw(st.integers(1, 255))
    refused = isinstance(wrapped_key.verify(bytes(packet), [KEY]), Refusal)
    # The low bits of the first octet are the key id: authenticated too.
    assert refused
    cut = data.draw(st.integers(0, len(packet) - 1))
    assert isinstance(wrapped_key.verify(first_packet()[:cut], [KEY]), Refusal)


@given(st.binary(max_size=2100))
def test_garbage_never_raises(garbage: bytes) -> None:
    assert isinstance(wrapped_key.verify(garbage, [KEY]), Refusal)


@given(st.binary(min_size=49 + 290, max_size=1400), st.integers(0, 2000))
def test_garbage_that_looks_like_a_first_packet_never_raises(garbage: bytes, length: int) -> None:
    packet = bytes((10 << 3,)) + garbage + struct.pack("!H", length)
    assert isinstance(wrapped_key.verify(packet, [KEY]), Refusal)


@pytest.mark.parametrize("pem", ["", "-----BEGIN X-----\nAAAA\n-----END X-----\n", "%%%%"])
def test_what_is_no_server_key_is_refused(pem: str) -> None:
    with pytest.raises(ValueError, match="tls-crypt-v2 server key"):
        wrapped_key.server_key("acme", pem)
