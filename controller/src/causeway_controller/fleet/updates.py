"""Update files on their way to an appliance, and what becomes of the appliance then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

from msgspec import UNSET

from causeway_controller.errors import AgentUnreachable, UpdateFailed
from causeway_controller.fleet.client import AgentClient
from causeway_controller.fleet.update_file import UpdateFile
from causeway_wire.problem import ProblemError
from causeway_wire.update import Activation, Slot, SlotState, UpdateState, UpdateStatus

POLL_SECONDS = 2.0
_LONGEST_TRY = 3600
"""Seconds, of `Activation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How long a new system may take to prove good, in seconds; see `install`."""

    seconds: int = 300
    within: float = 3600.0
    silence: float = 600.0
    """For an appliance to answer again that a controller restarted which is gone."""

    def longer(self, times: float) -> Self:
        """Return the same for an appliance that is as many times slower."""
        seconds = min(_LONGEST_TRY, int(times * self.seconds))
        return replace(self, seconds=seconds, within=times * self.within, silence=times * self.silence)


USUAL = Trial()


async def _any_time() -> None:
    """The appliance may restart whenever."""


async def send(agent: AgentClient, file: UpdateFile, *, allow_older: bool = False) -> UpdateStatus:
    """Bring the update into the slot that does not run; does nothing when it is there, or runs already.

    `allow_older`: than the system that runs.
    Raises ProblemError or AgentUnreachable; repeating it is safe.
    """
    status = await agent.get_update()
    if file.build in {report.build for report in status.slots if report.state is not SlotState.EMPTY}:
        return status
    return await agent.put_update(file, allow_older=allow_older)


async def install(
    agent: AgentClient,
    file: UpdateFile,
    *,
    tries: int = 3,
    seconds: int = USUAL.seconds,
    within: float = USUAL.within,
    allow_older: bool = False,
    may_restart: Callable[[], Awaitable[None]] = _any_time,
) -> UpdateStatus:
    """Send, activate, and wait until the update has proven good. Does nothing where it runs and is good.

    `seconds`: for each of the `tries`, see `Activation`; `within`: seconds from the end of
    sending until the outcome must be known; `allow_older`: than the system that runs; `may_restart`: called
    immediately before the restart, for sending may take an hour; what it raises stops the update.
    Raises UpdateFailed when the appliance fell back or says nothing, ProblemError when it refuses.
    """
    # Not said unless it is meant: agents from before do not know the member.
    said = True if allow_older else UNSET
    wanted = Activation(build=file.build, tries=tries, seconds=seconds, allow_older=said)
    await send(agent, file, allow_older=allow_older)
    until, last, activated = time.monotonic() + within, "it did not answer", False
    while time.monotonic() < until:
        status, last = await _look(agent)
        if status is None:
            pass
        elif _proven(status, file.build):
            return status
        elif status.state is UpdateState.TRYING:
            activated = True
        elif activated:
            raise UpdateFailed(agent.appliance, f"slot {status.running} runs again: {_why(status)}")
        else:
            await may_restart()
            activated = await _activate(agent, wanted)
        await asyncio.sleep(POLL_SECONDS)
    raise UpdateFailed(agent.appliance, f"the outcome is not known in time; {last}")


async def _look(agent: AgentClient) -> tuple[UpdateStatus | None, str]:
    """The slots and how they are in words; none, and why, while the appliance restarts."""
    try:
        status = await agent.get_update()
    except (AgentUnreachable, ProblemError) as error:
        return None, str(error)
    return status, f"slot {status.running} runs, {status.report(status.running).state.value}"


async def _activate(agent: AgentClient, wanted: Activation) -> bool:
    """Whether it was answered; an answer that is lost leaves the next look to tell."""
    try:
        await agent.activate_update(wanted)
    except AgentUnreachable:
        return False
    return True


def _proven(status: UpdateStatus, build: str) -> bool:
    running = status.report(status.running)
    return running.build == build and running.state is SlotState.GOOD


def _why(status: UpdateStatus) -> str:
    failed: Slot = status.running.other
    return f"slot {failed} did not become healthy in any of its tries; its log: journalctl -b -1"
