"""Questions to OpenVPN servers, and what counts as their answer."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from causeway_agent.backends.gateway import reset_message, wrapped_key
from causeway_controller.trust import tls_crypt
from tests.first_packets import Client

SERVER_KEY = tls_crypt.make_server_key()
CLIENT_KEY = tls_crypt.make_client_key(SERVER_KEY, tls_crypt.Claim(tenant="acme", tunnel="acme-web"))
WHO = reset_message.asker(CLIENT_KEY.reveal())
SESSION = bytes(range(8))
NOW = 1_800_000_000


def answer(session: bytes = SESSION, *, kind: int = 8 << 3, signing: bytes | None = None) -> bytes:
    """As the server makes it (send_hmac_reset_packet of OpenVPN's mudp.c)."""
    key = Client(CLIENT_KEY).key
    header = bytes((kind,)) + os.urandom(8) + struct.pack("!II", 0x0F000001, NOW)
    text = b"\1" + struct.pack("!I", 0) + session + struct.pack("!I", 0)
    tag = hmac.digest(signing or key[64:96], header + text, hashlib.sha256)
    cipher = Cipher(algorithms.AES256(key[0:32]), modes.CTR(tag[:16])).encryptor()
    return header + tag + cipher.update(text)


def test_a_question_is_a_genuine_first_packet_of_its_tunnel() -> None:
    packet = reset_message.question(WHO, SESSION, 1, NOW)
    found = wrapped_key.verify(packet, [wrapped_key.server_key("acme", SERVER_KEY.reveal())])
    assert isinstance(found, wrapped_key.FirstPacket)
    assert (found.tenant, found.tunnel, found.time) == ("acme", "acme-web", NOW)


def test_no_two_questions_are_the_same_packet() -> None:
    one, other = (wrapped_key.read(reset_message.question(WHO, SESSION, n, NOW)) for n in (1, 2))
    assert one is not None
    assert other is not None
    assert one.tag != other.tag


def test_a_server_s_answer_is_known() -> None:
    assert reset_message.answers(answer(), WHO, SESSION)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x40",
        answer()[:49],
        answer()[:-1],
        answer(os.urandom(8)),
        answer(kind=10 << 3),
        answer(signing=os.urandom(32)),
        reset_message.question(WHO, SESSION, 1, NOW),
    ],
    ids=["nothing", "kind", "no text", "cut", "to another", "another kind", "forged", "an echo"],
)
def test_nothing_else_is(packet: bytes) -> None:
    assert not reset_message.answers(packet, WHO, SESSION)


@pytest.mark.parametrize("pem", ["", "!", "-----BEGIN X-----\nAAAA\n-----END X-----"])
def test_what_is_no_client_key_is_refused(pem: str) -> None:
    with pytest.raises(ValueError, match="tls-crypt-v2 client key"):
        reset_message.asker(pem)
