"""A disk that is full, without inodes or read-only under a real agent: it says so, and nothing is harmed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.fleet.client import AgentClient
from causeway_wire.desired import Full, FullNetwork
from causeway_wire.identity import CsrRequest, Purpose
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import Problem, ProblemError, ProblemType
from causeway_wire.public_rules import Protocol, PublicRule, PublicRules
from tests.real_appliance import PUBLIC, Appliance, run

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

FULL = Full(networks=(FullNetwork(network="net-0", internet=True),))
RULES = PublicRules(
    revision=1,
    epoch=1,
    rules=(
        PublicRule(
            id="web",
            public_address=PUBLIC[0],
            protocol=Protocol.TCP,
            public_port=80,
            internal_address=ip_address("192.168.0.20"),
            internal_port=80,
        ),
    ),
)


@pytest_asyncio.fixture
async def appliance(tmp_path: Path) -> AsyncIterator[Appliance]:
    """Its state on a file system of 512 KiB and 100 files."""
    made = Appliance(1, tmp_path)
    state = made.place / "state"
    state.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=512k,nr_inodes=100,mode=700", "tiny", str(state))
    try:
        await made.up()
        async with made.open() as agent:
            await agent.apply(made.document(1, FULL, tunnel=False), timeout=30)
        yield made
    finally:
        made.down(keep=True)
        run("umount", "-l", str(state))


@contextlib.contextmanager
def no_room(state: Path) -> Iterator[None]:
    """Every octet is taken."""
    filling = state / "filling"
    with contextlib.suppress(OSError), filling.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    yield
    filling.unlink()


@contextlib.contextmanager
def no_inodes(state: Path) -> Iterator[None]:
    """There is room, but for no other file."""
    made: list[Path] = []
    with contextlib.suppress(OSError):
        while True:
            made.append(state / f"filling-{len(made)}")
            made[-1].touch()
    yield
    for path in made:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def read_only(state: Path) -> Iterator[None]:
    """As a kernel mounts it after an error."""
    run("mount", "-o", "remount,ro", str(state))
    yield
    run("mount", "-o", "remount,rw", str(state))


TROUBLES = {"full": no_room, "without inodes": no_inodes, "read-only": read_only}
ADVICE = {"full": "make room", "without inodes": "df -i", "read-only": "dmesg"}


async def refused(act: object) -> Problem:
    with pytest.raises(ProblemError) as caught:
        await act  # type: ignore[misc]
    return caught.value.problem


async def ready(agent: AgentClient) -> None:
    async with asyncio.timeout(20):
        while True:
            if (await agent.observed()).state is ApplianceState.READY:
                return
            await asyncio.sleep(0.05)


async def filtered(appliance: Appliance) -> None:
    """Until the packet filter is there again."""
    async with asyncio.timeout(20):
        while True:
            if "drop_spoofed" in appliance.inside("nft", "list", "ruleset"):
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_what_cannot_be_written_is_refused_by_name_and_nothing_changes(
    appliance: Appliance, trouble: str
) -> None:
    state, before = appliance.place / "state", appliance.document(1, FULL, tunnel=False)
    next_one = appliance.document(2, tunnel=False)
    async with appliance.open() as agent:
        await ready(agent)
        if trouble == "read-only":
            appliance.kill()  # a file system in use cannot be made so
        with TROUBLES[trouble](state):
            if trouble == "read-only":
                appliance.start()
                await appliance.ready()
            request = CsrRequest(
                key="other", purpose=Purpose.VPN_SERVER, common_name="other", nonce="0123456789abcdef012345"
            )
            for act in (agent.put_desired(next_one), agent.put_rules(RULES), agent.csr(request)):
                problem = await refused(act)
                assert problem.type == ProblemType.STORAGE.urn, problem
                assert str(state) in problem.detail
                assert ADVICE[trouble] in problem.detail
            assert (await agent.get_desired()).generation == before.generation
            assert not (await agent.plan(before)).operations
            # It goes on filtering and repairing.
            appliance.inside("nft", "flush", "ruleset")
            await ready(agent)
            await filtered(appliance)
            appliance.kill()
            appliance.start()
            await appliance.ready()
            if trouble == "read-only":
                appliance.kill()
        if trouble == "read-only":
            appliance.start()
            await appliance.ready()
        assert (await agent.get_desired()).generation == before.generation
        await agent.apply(next_one, timeout=30)
    log = (appliance.place / "agent.log").read_text()
    assert "Traceback" not in log
    assert "incident" not in log
