"""A session with a daemon that loses connections, hangs, or lets nobody in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.libvirt import binding
from causeway_controller.hypervisors.libvirt.link import Link
from causeway_controller.hypervisors.libvirt.session import Session
from causeway_controller.hypervisors.shared import DroppedError


class FakeLibvirtError(Exception):
    pass


class FakeConnection:
    def __init__(self) -> None:
        self.up = True
        self.closed_in: list[threading.Thread] = []
        self.gone = threading.Event()

    def isAlive(self) -> int:  # noqa: N802 - the binding's name
        return int(self.up)

    def setKeepAlive(self, _interval: int, _count: int) -> int:  # noqa: N802 - the binding's name
        return 0

    def close(self) -> int:
        self.closed_in.append(threading.current_thread())
        self.gone.set()
        return 0

    def lose(self) -> None:
        self.up = False
        raise FakeLibvirtError("connection reset")


@pytest.fixture(autouse=True)
def _fake_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "load", lambda: SimpleNamespace(libvirtError=FakeLibvirtError))


class Daemon:
    """Gives out connections, and remembers them."""

    def __init__(self) -> None:
        self.given: list[FakeConnection] = []

    def connect(self) -> FakeConnection:
        self.given.append(FakeConnection())
        return self.given[-1]


def once(first: Callable[[FakeConnection], None]) -> Callable[[FakeConnection], str]:
    """A question that goes wrong the first time."""
    turns = iter((first,))

    def question(connection: FakeConnection) -> str:
        for turn in turns:
            turn(connection)
        return "answer"

    return question


async def test_a_lost_connection_is_made_anew_and_the_question_asked_again() -> None:
    daemon = Daemon()
    assert await Session("kvm1", daemon.connect).ask(once(FakeConnection.lose)) == "answer"
    assert len(daemon.given) == 2
    assert daemon.given[0].gone.wait(5)


async def test_what_may_not_be_repeated_is_not() -> None:
    daemon = Daemon()
    session = Session("kvm1", daemon.connect)
    with pytest.raises(HypervisorError, match="host kvm1: connection reset"):
        await session.ask(once(FakeConnection.lose), again=False)
    assert await session.ask(lambda _: "answer") == "answer"


async def test_a_refusal_over_a_good_connection_is_passed_on_and_the_connection_kept() -> None:
    daemon = Daemon()
    session = Session("kvm1", daemon.connect)

    def refuse(_: FakeConnection) -> None:
        raise FakeLibvirtError("no such pool")

    with pytest.raises(HypervisorError, match="no such pool"):
        await session.ask(refuse)
    await session.ask(lambda _: None)
    assert len(daemon.given) == 1


async def test_a_host_that_hangs_costs_the_deadline_and_is_closed_after_its_last_call() -> None:
    daemon, release = Daemon(), threading.Event()
    session = Session("kvm1", daemon.connect, patience=0.001)
    with pytest.raises(HypervisorError, match="did not answer within"):
        await session.ask(lambda _: release.wait(10))
    (hung,) = daemon.given
    assert not hung.closed_in
    release.set()
    assert await asyncio.to_thread(hung.gone.wait, 5)
    assert threading.main_thread() not in hung.closed_in


async def test_who_waits_for_a_connection_begins_no_second_one() -> None:
    daemon, release = Daemon(), threading.Event()

    def connect() -> FakeConnection:
        made = daemon.connect()
        release.wait(10)
        return made

    session = Session("kvm1", connect, patience=0.001)
    for _ in range(3):
        with pytest.raises(HypervisorError, match="accepts nobody"):
            await session.ask(lambda _: None)
    release.set()
    patient = asyncio.get_running_loop().time() + 5
    while asyncio.get_running_loop().time() < patient:
        try:
            await session.ask(lambda _: None, seconds=1000)
            break
        except HypervisorError:
            await asyncio.sleep(0)
    assert len(daemon.given) == 1


async def test_why_nobody_was_let_in_before_is_not_told_to_who_asks_now() -> None:
    daemon, go_on, refused = Daemon(), threading.Event(), [FakeLibvirtError("it is off")]

    def connect() -> FakeConnection:
        go_on.wait(10)
        for error in refused:
            raise error
        return daemon.connect()

    session = Session("kvm1", connect)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):  # as who looks at a host before a failover
            await session.ask(lambda _: None)
    opening = session._kept._opening
    assert opening is not None
    go_on.set()
    await asyncio.wait([opening])
    refused.clear()
    assert await session.ask(lambda _: "answered") == "answered"


def test_a_dropped_connection_is_asked_no_more_and_closed_elsewhere() -> None:
    connection = FakeConnection()
    link = Link(connection, refusal=FakeLibvirtError)
    link.drop()
    assert connection.gone.wait(5)
    assert threading.main_thread() not in connection.closed_in
    assert not link.alive()
    with pytest.raises(DroppedError):
        link.ask(lambda _: None)
    link.drop()
    assert len(connection.closed_in) == 1
