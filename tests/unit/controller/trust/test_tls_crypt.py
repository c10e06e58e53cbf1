"""tls-crypt-v2 keys: the same octets as OpenVPN writes and reads."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from causeway_controller.errors import StoreError
from causeway_controller.trust import tls_crypt
from causeway_wire.types import Secret

CLAIM = tls_crypt.Claim(tenant="acme", tunnel="acme-1")
OPENVPN = shutil.which("openvpn") or shutil.which("openvpn", path="/usr/sbin:/sbin")


def genkey(*arguments: str) -> None:
    assert OPENVPN is not None
    subprocess.run([OPENVPN, *arguments], check=True, capture_output=True, timeout=10)


def octets(key: Secret) -> bytes:
    return base64.b64decode("".join(key.reveal().splitlines()[1:-1]))


def test_a_client_key_claims_what_it_was_made_for() -> None:
    server = tls_crypt.make_server_key()
    assert tls_crypt.read_claim(server, tls_crypt.make_client_key(server, CLAIM)) == CLAIM


def test_keys_have_the_documented_lengths() -> None:
    server = tls_crypt.make_server_key()
    client = octets(tls_crypt.make_client_key(server, CLAIM))
    assert len(octets(server)) == 128
    assert int.from_bytes(client[-2:], "big") == len(client) - 256


def test_the_longest_names_fit() -> None:
    longest = tls_crypt.Claim(tenant="t" * 63, tunnel="u" * 63)
    server = tls_crypt.make_server_key()
    assert tls_crypt.read_claim(server, tls_crypt.make_client_key(server, longest)) == longest


def test_a_claim_that_openvpn_could_not_carry_is_refused() -> None:
    claim = tls_crypt.Claim(tenant="t" * 733, tunnel="u")
    with pytest.raises(ValueError, match="at most 733"):
        tls_crypt.make_client_key(tls_crypt.make_server_key(), claim)


def test_a_key_wrapped_by_another_server_key_is_refused() -> None:
    client = tls_crypt.make_client_key(tls_crypt.make_server_key(), CLAIM)
    with pytest.raises(StoreError, match="not wrapped"):
        tls_crypt.read_claim(tls_crypt.make_server_key(), client)


def test_any_changed_octet_is_noticed() -> None:
    server = tls_crypt.make_server_key()
    good = octets(tls_crypt.make_client_key(server, CLAIM))
    for position in range(0, len(good), 7):
        bad = bytearray(good)
        bad[position] ^= 0x40
        text = base64.b64encode(bytes(bad)).decode()
        changed = Secret(
            f"-----BEGIN {tls_crypt.CLIENT_LABEL}-----\n{text}\n-----END {tls_crypt.CLIENT_LABEL}-----\n"
        )
        with pytest.raises(StoreError):
            tls_crypt.read_claim(server, changed)


def test_a_server_key_is_not_a_client_key() -> None:
    server = tls_crypt.make_server_key()
    with pytest.raises(StoreError, match="client key"):
        tls_crypt.read_claim(server, server)


def test_secrets_do_not_show() -> None:
    assert "BEGIN" not in repr(tls_crypt.make_server_key())


@pytest.mark.skipif(OPENVPN is None, reason="openvpn is not installed")
def test_keys_made_by_openvpn_are_read(tmp_path: Path) -> None:
    server, client = tmp_path / "server.key", tmp_path / "client.key"
    genkey("--genkey", "tls-crypt-v2-server", str(server))
    metadata = base64.b64encode(b'{"tenant":"acme","tunnel":"acme-1"}').decode()
    genkey("--tls-crypt-v2", str(server), "--genkey", "tls-crypt-v2-client", str(client), metadata)
    assert tls_crypt.read_claim(Secret(server.read_text()), Secret(client.read_text())) == CLAIM


@pytest.mark.skipif(OPENVPN is None, reason="openvpn is not installed")
def test_openvpn_wraps_with_our_server_key(tmp_path: Path) -> None:
    server, client = tmp_path / "server.key", tmp_path / "client.key"
    ours = tls_crypt.make_server_key()
    server.write_text(ours.reveal())
    metadata = base64.b64encode(b'{"tenant":"acme","tunnel":"acme-1"}').decode()
    genkey("--tls-crypt-v2", str(server), "--genkey", "tls-crypt-v2-client", str(client), metadata)
    theirs = Secret(client.read_text())
    assert tls_crypt.read_claim(ours, theirs) == CLAIM
    assert len(octets(theirs)) == len(octets(tls_crypt.make_client_key(ours, CLAIM)))
