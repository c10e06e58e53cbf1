"""Somebody sets an appliance's clock while its tunnels carry: a host with a dead battery, a resumed machine.

Each place has a clock of its own here (libfaketime): that of the day, for all of its processes; the kernel's
and the monotonic one are left alone.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from causeway_lab.world.line.line import Line
from tests.kernel import lines
from tests.kernel.lines import WAYS
from tests.kernel.processes_lab import TUNNEL, Site, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

TEN_MINUTES, DAY, DECADE = 600, 86400, 10 * 365 * 86400
TO_1970 = 60 - int(time.time())
STEPS = pytest.mark.parametrize(
    "ahead", [TEN_MINUTES, DAY, -DAY, DECADE, TO_1970], ids=["minutes", "day", "back", "decade", "1970"]
)


@dataclass(frozen=True)
class Clocks:
    """The clocks of the places of a site."""

    directory: Path

    def make(self, place: str) -> None:
        """Have the agent of this place, and all that it starts, go by a clock of their own."""
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.directory / place / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        (self.directory / place).mkdir(mode=0o711)
        (self.directory / place / "clock.json").write_text(json.dumps(variables))
        self.set(place, 0)

    def set(self, place: str, ahead: int) -> None:
        """Set a place's clock to be so many seconds ahead of the day's."""
        clock = self.directory / place / "clock"
        clock.with_suffix(".new").write_text(f"{ahead:+d}\n")
        clock.with_suffix(".new").rename(clock)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Line]]:
    with site(tmp_path_factory.mktemp("clocks")) as made, lines.before(made) as line:
        for place in ("c", "s", "g0", "g1"):
            Clocks(made.directory).make(place)
        made.up(*WAYS)
        yield made, line


@pytest.fixture
def made(running: tuple[Site, Line]) -> Iterator[Site]:
    with lines.over_udp(*running):
        yield running[0]
        for place in ("c", "s", "g0", "g1"):
            Clocks(running[0].directory).set(place, 0)


@pytest.fixture
def clocks(made: Site) -> Clocks:
    return Clocks(made.directory)


def report(made: Site) -> dict[str, object]:
    found: dict[str, object] = made.agents["c"].report()
    return found


def kill(made: Site) -> None:
    os.kill(made.agents["c"].pid(f"vpn-{TUNNEL}"), signal.SIGKILL)


@STEPS
def test_no_step_of_a_client_s_clock_ends_its_tunnel(made: Site, clocks: Clocks, ahead: int) -> None:
    known = report(made)["restarts"]
    with made.probing(4.0) as echoes:
        clocks.set("c", ahead)
        time.sleep(2.0)
        clocks.set("c", 0)
    assert echoes["lost"] == 0
    assert (report(made)["state"], report(made)["restarts"]) == ("connected", known)


@STEPS
def test_a_tunnel_carries_on_when_its_server_s_clock_was_set(made: Site, clocks: Clocks, ahead: int) -> None:
    """OpenVPN's server may forget its client then; the client notices, and comes again."""
    with made.probing(4.0):
        clocks.set("s", ahead)
        time.sleep(2.0)
        clocks.set("s", 0)
    until(lambda: report(made)["state"] == "connected", 20.0)
    with made.probing(1.0) as echoes:
        pass
    assert echoes["lost"] == 0


def test_a_quiet_tunnel_is_not_ended_either(made: Site, clocks: Clocks) -> None:
    known = report(made)["restarts"]
    for ahead in (TEN_MINUTES, DAY, DECADE):
        clocks.set("c", ahead)
        time.sleep(1.5)
    assert (report(made)["state"], report(made)["restarts"]) == ("connected", known)


def test_a_new_tunnel_beside_a_wrong_clock_goes_over_tcp_and_says_why(made: Site, clocks: Clocks) -> None:
    clocks.set("c", TEN_MINUTES)
    kill(made)
    until(lambda: report(made)["transport"] == "tcp", 20.0)
    told = str(report(made)["impairment"])
    assert "that of gateway 198.51.100.1:6180 is 10 minutes behind the one here" in told
    assert "timedatectl" in told
    clocks.set("c", 0)
    until(lambda: report(made)["transport"] == "udp", 20.0)
    assert report(made)["impairment"] is None


def test_a_certificate_of_another_time_is_told_with_the_clock(made: Site, clocks: Clocks) -> None:
    for place in ("c", "g0"):  # so that the gateway takes its first packet
        clocks.set(place, TO_1970)
    kill(made)
    until(lambda: "not yet valid" in str(report(made)["error"]), 20.0)
    told = str(report(made)["error"])
    assert "the clock here says 1970-01-01" in told
    assert "timedatectl" in told
