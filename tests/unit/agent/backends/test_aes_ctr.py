"""AES-256-CTR as NIST has it, and not beyond what it is given."""

from __future__ import annotations

import pytest

from causeway_agent.backends.gateway import aes_ctr

# NIST SP 800-38A, F.5.5
KEY = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
COUNTER = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
SECRET = bytes.fromhex(
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"
)


@pytest.mark.parametrize("octets", [0, 1, 15, 16, 17, 64])
def test_the_published_example_comes_out_both_ways(octets: int) -> None:
    assert aes_ctr.apply(KEY, COUNTER, PLAIN[:octets]) == SECRET[:octets]
    assert aes_ctr.apply(KEY, COUNTER, SECRET[:octets]) == PLAIN[:octets]


@pytest.mark.parametrize(("key", "counter"), [(KEY[:16], COUNTER), (KEY, COUNTER[:15]), (KEY, b"")])
def test_what_is_too_short_is_refused(key: bytes, counter: bytes) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        aes_ctr.apply(key, counter, PLAIN)
