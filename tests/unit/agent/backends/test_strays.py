"""What an agent started and could not note any more is ended by the next one, and nothing else is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from causeway_agent.backends.processes import process_age, spawn, strays

SLEEP = ("sleep", "60")


def started(directory: Path) -> spawn.Child:
    """A process in a directory of its own, as the supervisor starts one."""
    directory.mkdir(parents=True)
    return spawn.launch(SLEEP, directory=directory, account=None)


async def test_only_what_no_record_tells_of_is_ended(tmp_path: Path) -> None:
    root = tmp_path / "run"
    stray, noted = started(root / "vpn-1"), started(root / "vpn-2")
    deeper, elsewhere = started(root / "dead-man/1"), started(tmp_path / "other/vpn-1")
    engineer = await asyncio.create_subprocess_exec(*SLEEP, cwd=root / "vpn-1")
    try:
        await strays.end(root, {noted.pid})
        async with asyncio.timeout(5):
            await stray.wait()
        assert [each.alive for each in (noted, deeper, elsewhere)] == [True] * 3
        assert engineer.returncode is None
    finally:
        engineer.kill()
        await engineer.wait()
        for each in (noted, deeper, elsewhere):
            await each.kill()


async def test_children_of_a_noted_process_are_not_strays(tmp_path: Path) -> None:
    directory = tmp_path / "run/tls-1"
    directory.mkdir(parents=True)
    leader = spawn.launch(("sh", "-c", "sleep 60 & wait"), directory=directory, account=None)
    await asyncio.sleep(0.3)
    children = Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text().split()  # noqa: ASYNC240
    await strays.end(tmp_path / "run", {leader.pid})
    assert children
    assert all(process_age.start_time(int(pid)) for pid in children)
    await strays.end(tmp_path / "run", ())
    assert not any(process_age.start_time(int(pid)) for pid in children)
    await leader.wait()
