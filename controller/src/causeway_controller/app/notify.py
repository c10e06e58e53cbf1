"""Tells the service manager how the controller is (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(state: str) -> None:
    """Send a state such as `READY=1`; nothing to do where no service manager asked for it."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    # A leading @ stands for the abstract namespace (unix(7)).
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.connect(address)
            channel.send(state.encode())
        except OSError:
            return  # it is advice; a manager that went away must not end the controller


def watchdog_seconds() -> float | None:
    """Within how many seconds the service manager wants to hear from us (sd_watchdog_enabled(3))."""
    microseconds, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or process not in {"", str(os.getpid())}:
        return None
    return int(microseconds) / 1_000_000 or None


async def keep_alive() -> None:
    """Say again and again that the event loop turns: a controller that hangs is ended and started anew."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)
