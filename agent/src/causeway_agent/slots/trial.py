"""The trial of a system that was just installed: it must become healthy in time and stay so for a while.

Who started this restarts the machine when it fails, in whatever way: the boot loader counts.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from causeway_agent.commands import local
from causeway_agent.commands.local import AgentDownError, LocalAgent, RefusedError
from causeway_agent.slots.installing import CONFIRM, TRIAL

SECONDS = 300.0
"""Where the kernel's options do not say how long."""
STEADY_SECONDS = 10.0
"""A system that falls over at once is not healthy in between."""
PAUSE_SECONDS = 1.0
SHARE = 4.0
"""A question is followed by a rest of so many times what it took: each starts a program, and where processors
are slow or busy they would take from the start that is waited for...
"""
LONGEST_PAUSE = 5.0
"""...but by no longer one than this, in seconds: a health that ends in between must be seen."""
UNIT = "causeway-agent.service"

Ask = Callable[[], str | None]
"""None when healthy, else why not."""


def deadline(options: str) -> float:
    """Seconds from the kernel's start, as these options of the kernel say."""
    found = re.findall(rf"(?:^|\s){re.escape(TRIAL)}=([0-9]{{1,4}})(?=\s|$)", options)
    return float(found[-1]) if found else SECONDS


def wants_controller(options: str) -> bool:
    """Whether health is not enough, as these options of the kernel say."""
    return CONFIRM in options.split()


def passes(ask: Ask, *, until: float, say: Callable[[str], None], steady: float = STEADY_SECONDS) -> bool:
    """Whether the system was healthy for `steady` seconds on end before `until` (seconds since boot)."""
    since: float | None = None
    told = ""
    while (now := time.clock_gettime(time.CLOCK_BOOTTIME)) < until:
        why = ask()
        if why is not None:
            since = None
        elif since is None:
            since = now
        elif now - since >= steady:
            say(f"healthy for {now - since:.0f} s, {now:.0f} s after the start: this system stays")
            return True
        if (why or "healthy") != told:
            told = why or "healthy"
            say(told)
        took = time.clock_gettime(time.CLOCK_BOOTTIME) - now
        time.sleep(min(max(PAUSE_SECONDS, SHARE * took), LONGEST_PAUSE))
    say(f"not healthy within {until:.0f} s of the start: restarting")
    return False


def ask(run_directory: Path, *, controller: bool) -> str | None:
    """Why the agent is not healthy: its service is not ready, it does not conform to its document, or it was
    not found by a `controller` that has to.
    """
    active = subprocess.run(["systemctl", "is-active", "--quiet", UNIT], check=False)
    if active.returncode:
        return "the agent has not said that it serves"
    agent = LocalAgent(run_directory)
    try:
        agent.get("/v1/health/ready")
        if controller and not agent.get(local.ASKED_PATH)["asked"]:
            return "healthy, but no controller has asked for its slots yet"
    except (AgentDownError, RefusedError) as error:
        return str(error)
    return None
