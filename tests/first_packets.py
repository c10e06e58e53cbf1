"""First packets as an OpenVPN client makes them, and forged ones, without a client."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from causeway_controller.trust import tls_crypt
from causeway_wire.types import Secret


class Client:
    """The holder of a tls-crypt-v2 client key."""

    def __init__(self, client_key: Secret) -> None:
        octets = tls_crypt._octets(tls_crypt.CLIENT_LABEL, client_key)
        self.key, self.wrapped = octets[:256], octets[256:]

    @classmethod
    def of(cls, server_key: Secret, tenant: str, tunnel: str) -> Client:
        """A new key for this tunnel."""
        return cls(tls_crypt.make_client_key(server_key, tls_crypt.Claim(tenant=tenant, tunnel=tunnel)))

    @property
    def tag(self) -> str:
        """The key's tag, as a gateway's document names it."""
        return self.wrapped[:32].hex()

    def packet(self, time: int, *, signing: bytes | None = None, wrapped: bytes | None = None) -> bytes:
        """A first packet of this time (tls_crypt_wrap of OpenVPN's tls_crypt.c); never twice the same."""
        header = bytes((10 << 3,)) + os.urandom(8) + struct.pack("!II", 1, time)
        text = b"\0" + struct.pack("!I", 0)
        tag = hmac.digest(signing or self.key[192:224], header + text, hashlib.sha256)
        cipher = Cipher(algorithms.AES256(self.key[128:160]), modes.CTR(tag[:16])).encryptor()
        return header + tag + cipher.update(text) + (wrapped or self.wrapped)

    def forged(self, time: int) -> bytes:
        """A packet by somebody who has seen the wrapped key but does not have the key."""
        return self.packet(time, signing=os.urandom(32))

    def with_copied_tag(self, time: int) -> bytes:
        """A packet whose wrapped key is made up behind a tag that was seen."""
        made_up = self.wrapped[:32] + os.urandom(len(self.wrapped) - 34) + self.wrapped[-2:]
        return self.packet(time, signing=os.urandom(32), wrapped=made_up)
