"""Operations that need not wait for each other do not; everything else keeps its order."""

from __future__ import annotations

import asyncio
import dataclasses
from ipaddress import IPv6Network

from causeway_agent.engine import machine
from causeway_agent.engine.machine import Machine
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import LoopGuard, NeighbourResponder, Process, TlsProxy
from causeway_agent.plan.steer.operations import Operation, Start, Stop
from causeway_wire.types import Secret
from tests.agents import Bench
from tests.fakes.processes import FakeProcesses

MORE = 3 * machine.AT_ONCE


class SlowProcesses(FakeProcesses):
    """Processes that take a while to start and to end; writes down what begins and what is done."""

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.broken = broken
        self.log: list[tuple[str, str]] = []
        self.now = self.most = 0

    async def start(self, process: Process) -> None:
        await self._take(process)
        if process.name == self.broken:
            raise BackendError(f"start {process.name}", "it ended")
        await super().start(process)

    async def stop(self, process: Process) -> None:
        await self._take(process)
        await super().stop(process)

    async def _take(self, process: Process) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        self.log.append(("begun", process.name))
        for _ in range(5):
            await asyncio.sleep(0)
        self.now -= 1
        self.log.append(("done", process.name))


def made(processes: SlowProcesses) -> Machine:
    return dataclasses.replace(Bench().machine(), processes=processes)


def responder(number: int) -> NeighbourResponder:
    return NeighbourResponder(device=f"eth{number}", prefixes=(IPv6Network("2001:db8::/64"),), excluded=())


def guard(number: int) -> LoopGuard:
    return LoopGuard(tunnel=f"net-{number}", bridge=f"cwb{number}", adapter=f"eth{number}", taps=())


def proxy(version: int) -> TlsProxy:
    return TlsProxy(name="gateway-tls", configuration=Secret(f"{version}"), files=(), key=None)


async def done(subject: Machine, *operations: Operation) -> list[int]:
    reported: list[int] = []
    await subject.carry_out(operations, keep_going=False, report=lambda index, *_: reported.append(index))
    return reported


async def test_processes_of_a_kind_start_and_end_at_the_same_time_within_a_bound() -> None:
    processes = SlowProcesses()
    reported = await done(made(processes), *(Start(responder(n)) for n in range(MORE)))
    assert sorted(reported) == list(range(MORE))
    assert len(processes.running()) == MORE
    assert processes.most == machine.AT_ONCE
    processes.most = 0
    await done(made(processes), *(Stop(responder(n)) for n in range(MORE)))
    assert processes.running() == frozenset()
    assert processes.most == machine.AT_ONCE


async def test_another_kind_waits_until_all_of_the_one_before_are_done() -> None:
    processes = SlowProcesses()
    await done(
        made(processes), *(Start(guard(n)) for n in range(3)), *(Start(responder(n)) for n in range(3))
    )
    last = max(processes.log.index(("done", guard(n).name)) for n in range(3))
    first = min(processes.log.index(("begun", responder(n).name)) for n in range(3))
    assert last < first


async def test_of_those_together_all_are_done_though_one_is_refused_and_nothing_after_them() -> None:
    processes = SlowProcesses(broken=guard(1).name)
    operations = (*(Start(guard(n)) for n in range(3)), Start(responder(0)))
    errors = await made(processes).carry_out(operations, keep_going=False)
    assert [error.doing for error in errors] == [f"start {guard(1).name}"]
    assert processes.running() == {guard(0), guard(2)}


async def test_nothing_but_the_end_waits_for_a_tls_proxy() -> None:
    processes = SlowProcesses()
    reported = await done(made(processes), Start(proxy(1)), Start(responder(0)), Start(guard(0)))
    begun = [name for what, name in processes.log if what == "begun"]
    assert begun[0] == proxy(1).name
    assert processes.log.index(("begun", responder(0).name)) < processes.log.index(("done", proxy(1).name))
    assert sorted(reported) == [0, 1, 2]
    assert proxy(1) in processes.running()


async def test_a_tls_proxy_that_does_not_start_is_told_at_the_end() -> None:
    processes = SlowProcesses(broken=proxy(1).name)
    errors = await made(processes).carry_out((Start(proxy(1)), Start(responder(0))), keep_going=False)
    assert [error.doing for error in errors] == [f"start {proxy(1).name}"]
    assert processes.running() == {responder(0)}
