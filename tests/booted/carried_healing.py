"""What a tunnel that the kernel carries recovers from, in a booted machine, besides the end of its process:
its device taken away under it, and one that was left by who is gone. Only Python's standard library is there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from benchmarks import offload_world as world
from tests.booted import carried_guest as guest


def vanished() -> None:
    """Somebody deletes the device from under its process, at one end, then at the other."""
    for end in guest.ENDS:
        guest.until(lambda end=end: len(guest.made(end)) == 1, "one device")  # type: ignore[misc]
        (device,) = guest.made(end)
        before = guest.openvpns(end)
        world.ip(end, "link", "del", device)
        _tell_healed("vanished", end, device=device)
        guest.tell(what="vanished from", end=end, same=before == guest.openvpns(end))


def leftovers(agents: Mapping[str, guest.Agent]) -> None:
    """Agent and process end together, as by a failure of memory; a new agent finds the device."""
    for end in guest.ENDS:
        agents[end].kill()
        (pid,) = guest.openvpns(end)
        os.kill(pid, signal.SIGKILL)
        guest.until(lambda gone=pid: not Path(f"/proc/{gone}").exists(), "killed")  # type: ignore[misc]
        left = guest.made(end)
        agents[end].restart()
        _tell_healed("leftover", end, left=left)


def _tell_healed(what: str, end: str, **facts: object) -> None:
    """Seconds until packets pass, and who carries them when both ends have nothing left to repair."""
    passed = guest.passes()
    settled = guest.until(_carried, f"carried by both kernels after {what} at {end}")
    guest.tell(what=what, end=end, passed=passed, again=guest.passes(6), settled=settled, **facts)


def _carried() -> bool:
    told = [(one.get("carrier"), one.get("transport")) for one in map(guest.tunnel, guest.ENDS)]
    return guest.settled() and told == [("kernel", "udp")] * len(guest.ENDS)
