"""The pipe to the worker of the packet filter, with a worker that says who it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from causeway_agent.backends.filter.nft_channel import NftChannel
from causeway_agent.errors import BackendError

WORKER = """
import os, struct, sys
while head := sys.stdin.buffer.read(4):
    sys.stdin.buffer.read(struct.unpack(">I", head)[0])
    told = str(os.getpid()).encode()
    sys.stdout.buffer.write(struct.pack(">iI", 0, len(told)) + told + struct.pack(">I", 0))
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    program = tmp_path / "worker.py"
    program.write_text(WORKER, encoding="utf-8")
    return program


def children() -> set[str]:
    """Process ids of ours."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split())


async def test_a_worker_started_beforehand_is_the_one_that_answers(worker: Path) -> None:
    channel, before = NftChannel(worker=worker), children()
    try:
        await channel.start()
        started = children() - before
        assert len(started) == 1
        answers = [(await channel.call("list ruleset", seconds=20)).output for _ in range(2)]
        assert answers == [*started] * 2
    finally:
        await channel.close()


async def test_one_that_cannot_be_started_beforehand_is_told_to_who_needs_it(
    worker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(worker / "no-python"))
    channel = NftChannel(worker=worker)
    await channel.start()
    with pytest.raises(BackendError, match="the worker died"):
        await channel.call("list ruleset", seconds=20)
    await channel.close()
