"""Echo requests as they are sent, and who of two tunnels carries the traffic."""

from __future__ import annotations

import pytest

from causeway_agent.backends.processes import carrier_notices, liveness


@pytest.mark.parametrize("data", [b"", b"x", liveness.TRIAL])
@pytest.mark.parametrize(("identifier", "sequence"), [(0, 0), (0xFFFF, 0xFFFF), (4711, 12)])
def test_an_echo_request_has_a_right_checksum(identifier: int, sequence: int, data: bytes) -> None:
    request = liveness._request(4, identifier, sequence, data)
    padded = request + bytes(len(request) % 2)
    total = sum(int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
    assert liveness._request(6, identifier, sequence, data)[:4] == bytes((128, 0, 0, 0))


IP_HEADER = bytes((0x46,)) + bytes(23)


@pytest.mark.parametrize("version", [4, 6])
def test_a_question_tells_whether_its_tunnel_is_on_trial(version: int) -> None:
    header = IP_HEADER if version == 4 else b""
    for data, carries in ((b"", True), (b"another", True), (liveness.TRIAL, False)):
        assert carrier_notices.carries(header + liveness._request(version, 1, 2, data), version) is carries


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("packet", [b"", b"\x45", bytes(20), IP_HEADER + b"\x00\x00"])
def test_anything_else_tells_nothing(version: int, packet: bytes) -> None:
    assert not carrier_notices.carries(packet, version)
