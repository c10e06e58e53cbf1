"""A tunnel over a line that is not clear."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from causeway_lab.world.line.conditions import Conditions
from causeway_lab.world.line.line import Line
from causeway_wire.observed import Transport
from tests.kernel import lines
from tests.kernel.processes_lab import Site, site

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(90)]

UDP, TCP = Transport.UDP, Transport.TCP


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Line]]:
    with site(tmp_path_factory.mktemp("lines")) as made, lines.before(made) as line:
        made.up((0, UDP), (1, UDP), (0, TCP), (1, TCP))
        yield made, line


def test_a_long_line_delays_and_loses_nothing(running: tuple[Site, Line]) -> None:
    made, line = running
    before = made.agents["c"].report()["restarts"]
    line.change(Conditions().changed(delay=0.05))
    with made.probing(3.0) as found:
        pass
    assert found["first"] > 0.09
    assert line.report().counters["up"]["forwarded"] > 100
    report = made.agents["c"].report()
    assert (report["transport"], report["restarts"]) == (UDP, before)
    line.change(Conditions())
