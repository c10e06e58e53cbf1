"""The supervisor keeps what it was told: tasks of its own and stand-ins for programs found on PATH."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from causeway_agent.backends.host.task_unit import Ready
from causeway_agent.backends.processes import process_age, spawn, tls_proxy
from causeway_agent.backends.processes.supervisor import Supervisor
from causeway_agent.engine import sealed
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import FirstPacketFilter, NeighbourResponder, TlsProxy
from causeway_wire.types import Secret
from tests.fakes.tunnel_devices import NO_MODULE, nothing_left

RESPONDER = NeighbourResponder(device="eth1", prefixes=(ipaddress.IPv6Network("2001:db8::/64"),), excluded=())
STAND_IN = """\
import socket, sys, time
port = int(open("haproxy.cfg").read())
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind(("127.0.0.1", port))
listener.listen()
time.sleep(600)
"""


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Nft:
    async def run(self, text: str) -> str:
        return ""


class Responders:
    """Counts what runs; fails the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.running = 0
        self.started = 0
        self.failures = failures

    async def __call__(self, spec: NeighbourResponder, ready: Ready) -> None:
        self.started += 1
        if self.started <= self.failures:
            raise OSError(19, "No such device")
        ready()
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


@asynccontextmanager
async def supervising(
    tmp_path: Path, responders: Responders | None = None, *, able: bool = False
) -> AsyncIterator[Supervisor]:
    """`able`: whether the kernel can carry tunnels' packets. There are no devices to take away."""

    async def discard(device: str) -> None:
        if not able:
            await nothing_left(device)

    supervisor = Supervisor(
        run_directory=tmp_path / "run",
        key_directory=tmp_path,
        user=None,
        clock=Clock(),
        nft=Nft(),
        responder=responders or Responders(),
        discard=discard,
        no_offload=None if able else NO_MODULE,
    )
    async with supervisor:
        yield supervisor


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """HAProxy's place is taken by a program that listens where its configuration says."""
    monkeypatch.setattr(tls_proxy, "COMMAND", ("python3", "-c", STAND_IN))


def proxy(port: int | str) -> TlsProxy:
    return TlsProxy(name="tls-test", configuration=Secret(str(port)), files=(), key=None)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def pid(tmp_path: Path) -> int:
    return int(json.loads((tmp_path / "run/records/tls-test").read_text())["process"]["pid"])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it depends on other processes
            await asyncio.sleep(0.01)


async def test_a_task_runs_until_it_is_stopped_and_starting_it_again_changes_nothing(tmp_path: Path) -> None:
    responders = Responders()
    async with supervising(tmp_path, responders) as supervisor:
        await supervisor.start(RESPONDER)
        await supervisor.start(RESPONDER)
        assert (responders.running, responders.started) == (1, 1)
        assert supervisor.running() == {RESPONDER}
        await supervisor.stop(RESPONDER)
        assert (responders.running, supervisor.running()) == (0, frozenset())
        await supervisor.stop(RESPONDER)


async def test_one_that_is_slow_to_start_holds_up_no_other(tmp_path: Path) -> None:
    other = NeighbourResponder(device="eth2", prefixes=(), excluded=())
    started = asyncio.Event()

    class Waiting(Responders):
        async def __call__(self, spec: NeighbourResponder, ready: Ready) -> None:
            if spec == RESPONDER:
                await started.wait()
            await super().__call__(spec, ready)

    async with supervising(tmp_path, Waiting()) as supervisor, asyncio.timeout(5):
        first = asyncio.create_task(supervisor.start(RESPONDER))
        await asyncio.sleep(0)
        await supervisor.start(other)
        started.set()
        await first
        assert supervisor.running() == {RESPONDER, other}


async def test_a_changed_task_replaces_the_old_one(tmp_path: Path) -> None:
    responders = Responders()
    other = NeighbourResponder(device="eth1", prefixes=(), excluded=())
    async with supervising(tmp_path, responders) as supervisor:
        await supervisor.start(RESPONDER)
        await supervisor.start(other)
        assert (responders.running, responders.started) == (1, 2)
        assert supervisor.running() == {other}
    assert responders.running == 0


async def test_a_task_that_cannot_start_is_refused_and_not_kept(tmp_path: Path) -> None:
    async with supervising(tmp_path, Responders(failures=1000)) as supervisor:
        with pytest.raises(BackendError, match="No such device"):
            await supervisor.start(RESPONDER)
        assert supervisor.running() == frozenset()


async def test_keys_that_are_none_are_refused(tmp_path: Path) -> None:
    spec = FirstPacketFilter(addresses=(), port=6180, inside="x", keys=(("a", Secret("?")),), servers=())
    async with supervising(tmp_path) as supervisor:
        with pytest.raises(BackendError, match="tls-crypt-v2 server key"):
            await supervisor.start(spec)


@pytest.mark.usefixtures("proxies")
async def test_a_process_is_kept_alive(tmp_path: Path) -> None:
    async with supervising(tmp_path) as supervisor:
        await supervisor.start(proxy(free_port()))
        first = pid(tmp_path)
        os.kill(first, signal.SIGKILL)
        await until(lambda: pid(tmp_path) != first)
        await until(lambda: spawn.listens(pid(tmp_path)))
        await supervisor.stop_all()
        assert supervisor.running() == frozenset()
        assert not list((tmp_path / "run/records").iterdir())


@pytest.mark.usefixtures("proxies")
async def test_a_process_outlives_the_supervisor_and_the_next_one_adopts_it(tmp_path: Path) -> None:
    spec = proxy(free_port())
    async with supervising(tmp_path) as supervisor:
        await supervisor.start(spec)
        first = pid(tmp_path)
    assert process_age.start_time(first) is not None
    async with supervising(tmp_path) as supervisor:
        assert supervisor.running() == {spec}
        await supervisor.start(spec)
        assert pid(tmp_path) == first
        await supervisor.stop(spec)
    await asyncio.to_thread(os.waitpid, first, 0)
    async with supervising(tmp_path) as supervisor:
        assert supervisor.running() == frozenset()


@pytest.mark.usefixtures("proxies")
async def test_a_process_with_a_foreign_start_time_is_neither_adopted_nor_touched(tmp_path: Path) -> None:
    spec = proxy(free_port())
    async with supervising(tmp_path) as supervisor:
        await supervisor.start(spec)
        first = pid(tmp_path)
    record = tmp_path / "run/records/tls-test"
    changed = json.loads(sealed.unseal(record.name, record.read_bytes()))
    changed["process"]["start_time"] += 1
    record.write_bytes(sealed.seal(record.name, json.dumps(changed).encode()))
    async with supervising(tmp_path) as supervisor:
        assert supervisor.running() == frozenset()
    assert process_age.start_time(first) is not None
    os.kill(first, signal.SIGKILL)
    await asyncio.to_thread(os.waitpid, first, 0)


@pytest.mark.usefixtures("proxies")
async def test_a_replaced_proxy_is_asked_to_stop_softly_after_the_new_one_listens(tmp_path: Path) -> None:
    async with supervising(tmp_path) as supervisor:
        await supervisor.start(proxy(free_port()))
        first = pid(tmp_path)
        await supervisor.start(proxy(free_port()))
        assert pid(tmp_path) != first
        await until(lambda: process_age.start_time(first) is None)  # the stand-in dies of SIGUSR1
        await supervisor.stop_all()


@pytest.mark.usefixtures("proxies")
async def test_a_proxy_that_cannot_start_leaves_the_old_one(tmp_path: Path) -> None:
    async with supervising(tmp_path) as supervisor:
        spec = proxy(free_port())
        await supervisor.start(spec)
        first = pid(tmp_path)
        with pytest.raises(BackendError, match="start tls-test"):
            await supervisor.start(proxy("no port"))
        assert supervisor.running() == {spec}
        assert pid(tmp_path) == first
        assert process_age.start_time(first) is not None
        await supervisor.stop_all()
