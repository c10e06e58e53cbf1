"""AES-256-CTR, by the OpenSSL that the agent's TLS has loaded anyway.

The cryptography library brings an OpenSSL of its own: 8 MB more of an agent's memory for this one cipher.
"""

from __future__ import annotations

import ctypes
import functools
import ssl

COUNTER_BYTES = 16


def apply(key: bytes, counter: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt: the cipher is its own inverse. `key` has 32 octets, `counter` COUNTER_BYTES.

    Raises ValueError for other lengths, OSError when OpenSSL refuses.
    """
    if (len(key), len(counter)) != (32, COUNTER_BYTES):  # OpenSSL would read beyond shorter ones
        raise ValueError("AES-256-CTR takes a key of 32 octets and a counter of 16")
    crypto = _openssl()
    context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
    try:
        out, length = ctypes.create_string_buffer(len(data) + 16), ctypes.c_int()
        cipher = ctypes.c_void_p(crypto.EVP_aes_256_ctr())
        done = crypto.EVP_EncryptInit_ex(context, cipher, None, key, counter) == 1
        if not done or crypto.EVP_EncryptUpdate(context, out, ctypes.byref(length), data, len(data)) != 1:
            raise OSError("OpenSSL refuses AES-256-CTR")
        return out.raw[: length.value]
    finally:
        crypto.EVP_CIPHER_CTX_free(context)


@functools.cache
def _openssl() -> ctypes.CDLL:
    """The library; raises OSError where it is missing."""
    crypto = ctypes.CDLL(f"libcrypto.so.{ssl.OPENSSL_VERSION_INFO[0]}")
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_ctr"):
        getattr(crypto, name).restype = ctypes.c_void_p
    return crypto
