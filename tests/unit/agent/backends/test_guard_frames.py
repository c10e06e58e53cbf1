"""The frames of the loop guard, octet by octet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.segment import guard_frames
from causeway_agent.backends.segment.guard_frames import Frame, Kind

SOURCE = bytes.fromhex("020000000001")
FRAMES = st.builds(
    Frame, st.sampled_from(Kind), st.binary(min_size=16, max_size=16), st.integers(0, 0xFFFFFFFF)
)


@given(FRAMES)
def test_what_is_built_is_parsed(frame: Frame) -> None:
    data = guard_frames.build(frame, SOURCE)
    assert guard_frames.parse(data) == frame
    assert len(data) == 60, "the shortest Ethernet frame"
    assert data[6:14] == SOURCE + bytes.fromhex("88b5")


def test_probes_go_to_everyone_and_the_rest_no_further_than_the_next_bridge() -> None:
    for kind in Kind:
        to = guard_frames.build(Frame(kind), SOURCE)[:6].hex()
        assert to == ("f" * 12 if kind is Kind.PROBE else "0180c200000e")


@pytest.mark.parametrize("size", [0, 13, 39])
def test_a_short_frame_is_none_of_ours(size: int) -> None:
    assert guard_frames.parse(guard_frames.build(Frame(Kind.ECHO), SOURCE)[:size]) is None


@given(st.binary(max_size=80))
def test_anything_else_is_none_of_ours(data: bytes) -> None:
    assert guard_frames.parse(data) is None


def test_an_unknown_kind_is_none_of_ours() -> None:
    data = bytearray(guard_frames.build(Frame(Kind.ECHO), SOURCE))
    data[18] = 99
    assert guard_frames.parse(bytes(data)) is None
