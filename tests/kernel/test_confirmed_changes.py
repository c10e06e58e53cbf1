"""No change strands an appliance: whatever cuts its controller off or ends its agent, it comes back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from causeway_controller.errors import AgentUnreachable, ChangePending
from causeway_wire import routes
from causeway_wire.change import ChangeState
from causeway_wire.desired import Full, FullNetwork, Partial, Replica
from causeway_wire.problem import ProblemError, ProblemType
from tests.real_appliance import PUBLIC, Appliance

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

PARTIAL = Partial(replicas=(Replica(vm="vm-1", network="net-0", addresses=(ip_address("192.168.0.20"),)),))
FULL = Full(networks=(FullNetwork(network="net-0", internet=True), FullNetwork(network="net-1")))
PATIENCE = 25.0


@contextlib.asynccontextmanager
async def appliance(number: int, directory: Path) -> AsyncIterator[Appliance]:
    """An enrolled appliance that extends a network."""
    made = Appliance(number, directory)
    try:
        await made.up()
        async with made.open() as agent:
            await agent.apply(made.document(1, PARTIAL), timeout=20)
        yield made
    finally:
        made.down()


def kernel(one: Appliance) -> tuple[object, ...]:
    """What the kernel holds because of the document; nothing that it adds or settles by itself."""
    lines = one.inside("ip", "-o", "addr", "show", "scope", "global").splitlines()
    addresses = sorted(line.split()[1:4] for line in lines)
    routes = [
        sorted(one.inside("ip", version, "route", "show", "table", "all", "proto", "202").splitlines())
        for version in ("-4", "-6")
    ]
    return (
        addresses,
        routes,
        one.inside("ip", "rule"),
        one.inside("nft", "-s", "list", "table", "inet", "causeway"),
    )


async def returns(one: Appliance, wanted: tuple[object, ...]) -> float:
    """Seconds until the kernel is like this again."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while kernel(one) != wanted:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def test_a_controller_that_is_cut_off_by_its_change_gets_the_appliance_back(tmp_path: Path) -> None:
    async with appliance(1, tmp_path) as one:
        before = kernel(one)
        elsewhere = one.moved(ip_address("10.101.0.77"), sources=("198.51.100.0/24",))
        async with one.open() as agent:
            change = await agent.put_desired(elsewhere, confirm=2)
            with pytest.raises((AgentUnreachable, ChangePending)):
                await agent.apply(elsewhere, timeout=1, confirm=2)
        assert not one.lets_in()
        await returns(one, before)
        await one.listening()
        async with one.open() as agent:
            found = await agent.change(change.id)
            assert found.state is ChangeState.ROLLED_BACK
            assert (await agent.get_desired()).generation == 1
            assert (await agent.ready()).healthy


async def test_a_moved_appliance_is_confirmed_where_it_moved_to_and_not_on_the_old_connection(
    tmp_path: Path,
) -> None:
    async with appliance(1, tmp_path) as one:
        new = ip_address("10.101.0.77")
        async with one.open() as agent:
            change = await agent.put_desired(one.moved(new, sources=("10.101.0.0/24",)), confirm=10)
        async with one.open(new) as agent:
            await one.listening(new)
            assert (await agent.change(change.id, wait=5)).state is ChangeState.AWAITING
            done = await agent.confirm(change.id, epoch=change.epoch)
            assert done.state is ChangeState.DONE
            assert await agent.confirm(change.id, epoch=change.epoch) == done


async def test_the_connection_that_brought_a_change_does_not_confirm_it(tmp_path: Path) -> None:
    async with appliance(1, tmp_path) as one, one.open() as agent:
        change = await agent.apply(one.document(2, FULL), timeout=20, confirm=30, escalate=True)
        with pytest.raises(ProblemError) as caught:
            await agent._call(
                routes.CONFIRM, parameters={"id": change.id}, query={"epoch": str(change.epoch)}
            )
        assert caught.value.problem.type == ProblemType.SAME_CONNECTION.urn
        assert (await agent.confirm(change.id, epoch=change.epoch)).state is ChangeState.DONE


async def test_an_agent_killed_or_stopped_does_not_keep_an_unconfirmed_change(tmp_path: Path) -> None:
    async with appliance(1, tmp_path) as killed, appliance(2, tmp_path) as hung:
        both = (killed, hung)
        before = [kernel(one) for one in both]
        for one in both:
            async with one.open() as agent:
                await agent.apply(one.document(2, FULL), timeout=20, confirm=1, escalate=True)
            assert str(PUBLIC[0]) in one.inside("ip", "addr")
        killed.kill()
        assert hung.process is not None
        hung.process.send_signal(signal.SIGSTOP)
        await asyncio.gather(*(returns(one, was) for one, was in zip(both, before, strict=True)))
        assert hung.process.wait(timeout=10) == -signal.SIGKILL
        for one in both:
            one.start()
        for one in both:
            await one.ready()
            async with one.open() as agent:
                assert (await agent.get_desired()).generation == 1
                assert (await agent.change("0000000002-g2")).state is ChangeState.ROLLED_BACK
                assert (await agent.plan(one.document(1, PARTIAL))).operations == ()


async def test_one_agent_at_a_time_and_rollback_of_what_is_final_does_nothing(tmp_path: Path) -> None:
    async with appliance(1, tmp_path) as one:
        before = kernel(one)
        status, said = await command(one, "run")
        assert one.process is not None
        assert (status, f"agent {one.process.pid} works on this appliance" in said) == (1, True)
        for _ in ("with an agent", "without"):
            status, said = await command(one, "rollback", "0000000001-g1")
            assert (status, "is done" in said, kernel(one)) == (0, True, before)
            one.kill()


async def command(one: Appliance, *arguments: str) -> tuple[int | None, str]:
    """Exit status and complaints of the agent's program on the appliance."""
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", one.space, sys.executable, "-m", "causeway_agent"),
        *("--settings", str(one.settings), *arguments),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        _, said = await process.communicate()
    return process.returncode, said.decode()
