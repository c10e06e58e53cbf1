"""What a tunnel's path is taken to carry from the moment on that the tunnel goes another way, until it is
measured.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from causeway_agent.backends.processes import path_probe
from causeway_agent.backends.processes.path_probe import Link, Watch
from causeway_agent.plan.model import path_size
from causeway_agent.plan.model.path_size import PathSize
from causeway_agent.plan.model.processes import PathProbe
from causeway_wire.observed import Transport
from tests.fakes.clock import FakeClock

UDP, TCP = Transport.UDP, Transport.TCP
DEVICES = ("cwtun0", "cwtun1")
FOUR, SIX = (path_size.overhead(version, bridged=False) for version in (4, 6))
LINE = 1400


class Way:
    """A tunnel between a watch and a far end that hears what the line lets through and says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, version: int = 4) -> None:
        self._clock = FakeClock()
        self.told: list[str] = []
        self.answers = True
        self._far: dict[str, socket.socket] = {}
        monkeypatch.setattr(path_probe, "open_udp", self._open)
        spec = PathProbe(
            tunnel="acme-0",
            devices=DEVICES,
            ends=(ip_address("10.0.0.2"), ip_address("10.0.0.1")),
            version=version,
        )
        self.link: Link | None = None
        self.watch = Watch(spec, self._clock, lambda: self.link, self.told.append)

    def goes(self, transport: Transport, version: int, device: str = DEVICES[0]) -> None:
        """From now on, as its unit tells everybody at once."""
        self._clock.advance(1)
        self.link = Link(transport, version, device, self._clock.now())
        self.watch.relink()

    def _open(self, device: str, *_ends: object) -> path_probe.Wire:
        near, self._far[device] = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._far[device], self._answer, device)
        return path_probe.Wire(near, lambda message, size: message.ljust(size, b"\0"), head=0)

    def _answer(self, device: str) -> None:
        data = self._far[device].recv(2048)
        _, kind, number, size, *_ = path_probe._FORMAT.unpack_from(data)
        added = FOUR if self.link is None or self.link.version == 4 else SIX
        if kind == path_probe.Kind.ASK and self.answers and len(data) + added <= LINE:
            self.say(device, path_probe.Kind.HEARD, number, size, sends=LINE - added)

    def say(self, device: str, kind: int, number: bytes = bytes(4), size: int = 0, *, sends: int = 0) -> None:
        """The far end's word, through a device."""
        self._far[device].send(path_probe._FORMAT.pack(b"CWPS", kind, number, size, sends, 0))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run(lambda: None))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))
            for far in self._far.values():
                asyncio.get_running_loop().remove_reader(far)
                far.close()

    async def knows(self, size: PathSize) -> None:
        async with asyncio.timeout(10):
            while self.watch.size != size:  # noqa: ASYNC110 - found out by trying
                await asyncio.sleep(0.01)


def sizes(added: int) -> PathSize:
    return PathSize(LINE - added, LINE - added)


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    return Way(monkeypatch)


async def test_over_ipv6_a_path_is_taken_to_carry_what_the_same_line_leaves_at_once(way: Way) -> None:
    async with way.watched():
        way.goes(UDP, 4)
        await way.knows(sizes(FOUR))
        way.answers = False
        way.goes(UDP, 6, DEVICES[1])
        assert way.watch.size == sizes(SIX)
        report = way.watch.report
        assert report is not None
        assert (report.line_sends, report.line_receives) == (LINE, LINE)
        assert way.told[-1].endswith(f"{LINE - SIX} {LINE - SIX}"), "whoever sets routes hears of it"


async def test_back_over_ipv4_it_is_the_smaller_until_it_is_measured(way: Way) -> None:
    async with way.watched():
        way.goes(UDP, 6)
        await way.knows(sizes(SIX))
        way.answers = False
        way.goes(UDP, 4)
        assert way.watch.size == sizes(SIX)
        way.answers = True
        await way.knows(sizes(FOUR))


@pytest.mark.parametrize(("version", "added"), [(4, FOUR), (6, SIX)])
async def test_over_tcp_all_passes_and_udp_after_it_is_as_it_was_before(
    way: Way, version: int, added: int
) -> None:
    async with way.watched():
        way.goes(UDP, 4)
        await way.knows(sizes(FOUR))
        way.goes(TCP, 4, DEVICES[1])
        assert way.watch.size == path_size.stream()
        way.answers = False
        way.goes(UDP, version)
        assert way.watch.size == sizes(added)


async def test_the_first_way_is_taken_for_a_full_line_of_its_own_version(way: Way) -> None:
    way.goes(UDP, 6)
    assert way.watch.size == path_size.full(6, bridged=False)


async def test_an_ordinary_line_changes_nothing(way: Way) -> None:
    way.goes(UDP, 4)
    assert (way.watch.size, way.told) == (None, [])


@pytest.mark.parametrize("transport", [UDP, TCP])
async def test_what_is_still_said_through_the_way_before_counts_for_nothing(
    way: Way, transport: Transport
) -> None:
    async with way.watched():
        way.goes(UDP, 4)
        await way.knows(sizes(FOUR))
        way.answers = False
        way.goes(transport, 6, DEVICES[1])
        before = way.watch.size
        way.say(DEVICES[0], path_probe.Kind.REMARK, sends=LINE)
        await asyncio.sleep(0.05)
        assert way.watch.size == before
