"""Capture files, octet by octet."""

from __future__ import annotations

import struct

import pytest

from causeway_agent.plan.capture import file as capture_file
from causeway_agent.plan.capture.program import LinkLayer


@pytest.mark.parametrize(("link", "number"), [(LinkLayer.ETHERNET, 1), (LinkLayer.RAW, 101)])
def test_the_header_names_the_link_layer(link: LinkLayer, number: int) -> None:
    header = capture_file.header(link)
    assert struct.unpack(">IHHiIII", header) == (0xA1B23C4D, 2, 4, 0, 0, capture_file.SNAP, number)
    assert len(header) == capture_file.HEADER_BYTES


def test_a_record_says_when_and_how_long_the_packet_was() -> None:
    record = capture_file.record(b"abc", time=1_000_000_002_000_000_003, length=1500)
    assert record == struct.pack(">IIII", 1_000_000_002, 3, 3, 1500) + b"abc"
    assert len(record) == capture_file.RECORD_BYTES + 3
