"""Captures end in time, and say why."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from causeway_agent import __main__ as cli
from causeway_agent.commands import capture
from causeway_agent.commands.capture import Bounds
from causeway_agent.plan.capture import file as capture_file
from causeway_agent.plan.capture.program import LinkLayer
from tests import frames_of_packets as made

DATA = made.four(ip_address("192.0.2.1"), ip_address("192.0.2.2")).data
SIZE = capture_file.RECORD_BYTES + len(DATA)


@dataclass(frozen=True)
class Sent:
    data: bytes = DATA
    length: int = len(DATA)
    time: int = 0
    outgoing: bool = False


@dataclass
class FakeSource:
    """This many packets, then silence."""

    left: int
    link: LinkLayer = LinkLayer.RAW
    interrupted: bool = False
    asked: list[float] = field(default_factory=list)

    def next(self, seconds: float) -> Sent | None:
        self.asked.append(seconds)
        if self.interrupted:
            raise KeyboardInterrupt
        if self.left:
            self.left -= 1
            return Sent()
        time.sleep(seconds)
        return None

    def dropped(self) -> int:
        return 3


def captured(source: FakeSource, bounds: Bounds) -> tuple[bytearray, capture.Summary]:
    file = bytearray()
    return file, capture.as_file(source, bounds, file.extend)


def test_time_ends_it() -> None:
    file, summary = captured(FakeSource(2), Bounds(seconds=0.05))
    assert len(file) == capture_file.HEADER_BYTES + 2 * SIZE == summary.octets
    assert summary.ended == "0.05 s are over"


def test_the_number_of_packets_ends_it() -> None:
    file, summary = captured(FakeSource(9), Bounds(packets=4))
    assert (summary.packets, len(file)) == (4, capture_file.HEADER_BYTES + 4 * SIZE)
    assert "4 packets" in summary.ended


def test_the_size_ends_it_before_it_is_passed() -> None:
    limit = capture_file.HEADER_BYTES + 3 * SIZE + SIZE // 2
    file, summary = captured(FakeSource(9), Bounds(octets=limit))
    assert (summary.packets, len(file)) == (3, limit - SIZE // 2)
    assert f"{limit} bytes" in summary.ended


def test_an_interrupted_one_ends_orderly_and_tells_what_was_lost() -> None:
    _, summary = captured(FakeSource(1, interrupted=True), Bounds())
    assert summary.sentence() == (
        "0 packets, 24 bytes, 3 lost because they came faster than they were read; "
        "ended because it was interrupted"
    )


def test_it_ends_when_nobody_reads_it() -> None:
    def shut(_text: str) -> None:
        raise BrokenPipeError

    assert "nobody reads" in capture.as_text(FakeSource(3), Bounds(), shut).ended


def test_text_is_a_line_per_packet() -> None:
    lines: list[str] = []
    capture.as_text(FakeSource(2), Bounds(packets=2), lines.append)
    assert lines == 2 * ["00:00:00.000000 in  192.0.2.1:40000 > 192.0.2.2:443 tcp [SA] 40 bytes\n"]


def test_json_is_an_object_per_packet_and_one_at_the_end() -> None:
    lines: list[str] = []
    capture.as_json(FakeSource(1), Bounds(packets=1), lines.append)
    packet, summary = (json.loads(line) for line in lines)
    assert packet == {
        "time": 0,
        "way": "in",
        "packet": "192.0.2.1:40000 > 192.0.2.2:443 tcp [SA]",
        "octets": 40,
    }
    assert (summary["packets"], summary["ended"]) == (1, "it reached 1 packets")


@pytest.mark.parametrize("bound", ["--seconds=301", "--packets=100001", "--bytes=64000001", "--seconds=0"])
def test_the_upper_limits_hold_and_are_told(bound: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["capture", "eth0", bound])
    assert "between 0 and" in capsys.readouterr().err


def test_the_page_for_engineers_tells_the_same_bounds() -> None:
    page = (Path(__file__).parents[4] / "docs/how-to/diagnose.md").read_text()
    for option, default, most in (
        ("`--seconds`", capture.SECONDS, capture.LONGEST_SECONDS),
        ("`--packets`", capture.PACKETS, capture.MOST_PACKETS),
        ("`--bytes`, of the file", capture.BYTES, capture.MOST_BYTES),
    ):
        row = next(line for line in page.splitlines() if line.startswith(f"| {option} |"))
        figures = [float(cell.replace(",", "")) for cell in row.split("|")[2:4]]
        assert figures == [default, most]
