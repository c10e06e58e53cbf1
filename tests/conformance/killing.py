"""A controller that is killed in the middle of a deployment, on any kind of host."""

from __future__ import annotations

import asyncio
import signal
import sys

import msgspec

from causeway_controller.hypervisors.base import unwatched
from tests.conformance.kinds import Kind
from tests.cutting_proxy import Way


async def killed_half_way(kind: Kind, part: float = 0.5) -> None:
    """A controller deploys, and is killed once this part of what it sends is sent."""
    kind.way.arm(Way.ASKED, 1 << 40)
    await kind.provider().deploy(kind.spec, unwatched)
    whole = kind.way.passed[Way.ASKED]
    await kind.direct().destroy(kind.spec.owner_id)
    words, pipe = (sys.executable, "-m", "tests.conformance.deploying"), asyncio.subprocess.PIPE
    controller = await asyncio.create_subprocess_exec(*words, stdin=pipe)
    usual, kind.way.act = kind.way.act, controller.kill
    kind.way.arm(Way.ASKED, int(part * whole))
    await asyncio.wait_for(controller.communicate(msgspec.json.encode(kind.work())), 60)
    kind.way.act = usual
    assert controller.returncode == -signal.SIGKILL
