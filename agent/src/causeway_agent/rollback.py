"""`causeway-agent rollback CHANGE`: take a change back, with the agent alive, dead or hung.

An agent that answers does it itself. Without one this process does what the agent's start would do: bring
the machine to the document in force. An agent that holds the appliance but does not answer is ended first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from causeway_agent import app, offline
from causeway_agent.backends.host import capabilities
from causeway_agent.backends.processes import lock
from causeway_agent.commands.local import AgentDownError, LocalAgent, RefusedError
from causeway_agent.errors import HeldError
from causeway_agent.settings import Settings
from causeway_wire.change import FINAL_STATES
from causeway_wire.types import ChangeId

ANSWER_SECONDS = 12.0
"""Longest wait for an answer that involves going back; the agent bounds its own at 10."""
HELLO_SECONDS = 2.0
HUNG_SECONDS = 5.0
"""How long an agent may hold the appliance without saying anything."""
LONGEST = 180.0
"""Seconds after which this gives up; a change that is being applied is waited for that long."""
_POLL = 0.2
_RESTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_NOT_FOUND = 404

Say = Callable[[str], None]


class NotTakenBackError(Exception):
    """It could not be done; the message says why."""


def run(settings: Settings, path: Path, change: ChangeId, *, say: Say) -> str:
    """Take the change back, unless it is final; its state then. Raises NotTakenBackError."""
    silent_since: float | None = None
    for now in _rounds():
        try:
            state = _ask(Path(settings.run_directory), change)
        except AgentDownError as error:
            silent_since = now if silent_since is None else silent_since
            if (final := _final_state(settings, change)) is not None:
                say(f"change {change} is {final}")
                return final
            try:
                with lock.hold(Path(settings.state_directory), lock.ROLLBACK):
                    say(f"no agent runs ({error}); going back without it")
                    return asyncio.run(_recover(settings, path, change, say))
            except HeldError:
                if now - silent_since > HUNG_SECONDS:
                    _end_hung_agent(settings, say)
            continue
        silent_since = None
        if state in FINAL_STATES:
            say(f"change {change} is {state}")
            return state
    raise NotTakenBackError(f"change {change} is still not final after {LONGEST:g} s")


def _rounds() -> Iterator[float]:
    """The monotonic clock, every `_POLL` seconds, for `LONGEST` seconds."""
    began = time.monotonic()
    while (now := time.monotonic()) - began < LONGEST:
        yield now
        time.sleep(_POLL)


def _ask(run_directory: Path, change: ChangeId) -> str:
    """The change's state, after asking the agent to take it back; raises AgentDownError."""
    hello = LocalAgent(run_directory, timeout=HELLO_SECONDS)
    try:
        found = hello.get(f"/v1/changes/{change}")
        if found["state"] in FINAL_STATES:
            return str(found["state"])
        found = LocalAgent(run_directory, timeout=ANSWER_SECONDS).post(f"/local/changes/{change}/cancel")
    except RefusedError as error:
        if error.status == _NOT_FOUND:
            raise NotTakenBackError(str(error)) from error
        return ""  # it is being applied, or has just become final: ask again
    return str(found["state"])


def _end_hung_agent(settings: Settings, say: Say) -> None:
    holder = lock.holder(Path(settings.state_directory))
    # Another rollback is at work, not hung: it ends by itself.
    if holder is not None and holder.what == lock.AGENT and holder.end():
        say(f"{holder} held the appliance without answering for {HUNG_SECONDS:g} s; ended it")


def _final_state(settings: Settings, change: ChangeId) -> str | None:
    """The state of a change that is final, as the disk says; without holding the appliance, so that an agent
    may start meanwhile.
    """
    changes = offline.journal(settings).recover().changes
    found = next((one for one in changes if one.id == change), None)
    if found is None:
        raise NotTakenBackError("no change of this id is kept")
    return found.state.value if found.final else None


async def _recover(settings: Settings, path: Path, change: ChangeId, say: Say) -> str:
    """Bring the machine to the document in force, as an agent's start does; return the change's state."""
    no_offload = await asyncio.to_thread(capabilities.no_offload)
    async with app.machine(settings, path, no_offload=no_offload) as machine:
        engine = app.make_engine(settings, machine)
        await engine.boot()
        for rest in _RESTS:
            if engine.state.settled:
                break
            await asyncio.sleep(rest)
            await engine.reconciler.look()
        concluded = engine.records.get(change)
        state = concluded.state.value if concluded is not None else "forgotten"
        say(f"change {change} is {state}")
        if not engine.state.settled:
            raise NotTakenBackError(f"the document before is not whole yet: {engine.health().reason}")
        return state
