"""One OpenVPN client process on a tun device: one way of a tunnel, in use or on trial beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog

from causeway_agent.backends.host.race import race
from causeway_agent.backends.processes import offload_declined, openvpn, records, spawn
from causeway_agent.backends.processes import openvpn_management as management
from causeway_agent.engine.signal import Signal
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import VpnClient

PARTING = 0.5
"""Seconds to say good-bye: OpenVPN sends its exit notice at once but lingers for seconds."""

STARVED = 4.0
"""Seconds for which nothing has come from the far end, which says something each second, until a connection
is given up: whoever asks through the tunnel may be unable to, or may wait behind a guest's flood. Octets are
counted before they are authenticated: who sends in the far end's name puts this off, but answers no question.
"""
_STARVED_COUNTS = 2
"""...and counts in a row that say so: one comes at once when the clock is set, or when we were stopped."""

_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class Leg:
    """A process, its place and what it tells. Followed until it is ended or released."""

    endpoint: int
    slot: int
    """Index of its tun device."""
    device: str
    child: spawn.Child
    directory: Path
    digest: str
    discard: Callable[[str], Awaitable[None]] | None
    """Takes its device away, where the process made that."""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    counted: Signal = field(default_factory=Signal)
    """Sent when octets were counted."""
    received: int = 0
    sent: int = 0
    took: float = 0.0
    """Seconds until it connected; 0 for an adopted one, of which that is not known."""
    told: str | None = None
    """Why it does not work, as far as its log tells."""
    _heard: float = 0.0
    """When octets were last counted that had come, by the event loop's clock."""
    _idle: int = 0
    """Counts since then."""
    _broken: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: management.Connection | None = None
    _follower: asyncio.Task[None] | None = None

    @classmethod
    async def launch(cls, spec: VpnClient, endpoint: int, slot: int, context: openvpn.Context) -> Self:
        """Start a process; raises BackendError or OSError when it cannot be."""
        directory, device = place(spec, slot, context), spec.devices[slot]
        configuration = spec.endpoints[endpoint].configuration
        text = await asyncio.to_thread(
            openvpn.prepare,
            configuration,
            directory,
            context,
            files=spec.files,
            device=device if slot else None,
        )
        made = device if device in spec.made else None
        child = await openvpn.launch(directory, context, made=made)
        _log.info("process_started", process=directory.name, pid=child.pid, endpoint=endpoint)
        discard = None if made is None else context.discard
        return cls(endpoint, slot, device, child, directory, digest(text, spec), discard)

    @classmethod
    def adopt(cls, spec: VpnClient, entry: records.Record, context: openvpn.Context) -> Self | None:
        """The recorded process if it still runs with the configuration it would get now."""
        if entry.endpoint >= len(spec.endpoints) or entry.slot >= len(spec.devices):
            return None
        device = spec.devices[entry.slot]
        text = openvpn.complete(
            spec.endpoints[entry.endpoint].configuration,
            context.key_directory,
            device=device if entry.slot else None,
        )
        if digest(text, spec) != entry.digest:
            return None
        child = spawn.adopt(entry.process.pid, entry.process.start_time)
        where = place(spec, entry.slot, context)
        if child is None:
            return None
        discard = context.discard if device in spec.made else None
        return cls(entry.endpoint, entry.slot, device, child, where, entry.digest, discard)

    def record(self, spec: VpnClient) -> records.Record:
        """What the next agent needs to adopt it."""
        process = records.Identity(pid=self.child.pid, start_time=self.child.started)
        return records.record(
            spec, process=process, digest=self.digest, endpoint=self.endpoint, slot=self.slot
        )

    def follow(self) -> None:
        """Hear what it tells from now on."""
        if self._follower is None:
            self._follower = asyncio.create_task(openvpn.follow(self.directory, self._handle))

    async def ended(self) -> None:
        """Return when the process is gone or has given its connection up; raises what following raised."""
        self.follow()
        await race(self.child.wait(), self._broken.wait(), _outcome(self._follower))

    def lose_device(self) -> None:
        """Give the connection up: the device that the process had made is gone, and it goes on without."""
        if self.discard is not None:
            self._broken.set()

    def count_often(self) -> None:
        """Have octets counted each second."""
        if self._connection is not None:
            self._connection.command("bytecount 1")

    @property
    def why(self) -> str | None:
        """Why it ended, when it is gone."""
        return self.told or (None if self.child.alive else openvpn.ending(self.child, self.directory))

    def declined(self) -> str | None:
        """Why the process, just started, would not leave packets to the kernel that were meant for it."""
        if self.discard is None:
            return None
        if self.connected.is_set():
            return offload_declined.once_up(self.directory, self.device)
        return offload_declined.once_ended(self.directory)

    async def kill(self) -> None:
        """End it without a word."""
        self._unfollow()
        await self.child.kill()
        await self._leave_nothing()

    async def part(self) -> None:
        """End it with an exit notice, so that the server forgets it at once."""
        self._unfollow()
        await self.child.terminate(PARTING)
        await self._leave_nothing()

    def release(self) -> None:
        """Leave the process running."""
        self._unfollow()
        self.child.release()

    async def _leave_nothing(self) -> None:
        """A device that outlives its process would go on answering the far end for it."""
        if self.discard is not None:
            try:
                await self.discard(self.device)
            except BackendError as error:
                # Whoever starts the next process on it tries again, and is told.
                _log.warning("device_left", process=self.directory.name, reason=error.reason)

    def _unfollow(self) -> None:
        if self._follower is not None:
            self._follower.cancel()

    def _handle(self, event: management.Event, connection: management.Connection) -> None:
        self._connection = connection
        match event:
            case management.StateChanged(state="CONNECTED"):
                self._heard, self._idle = asyncio.get_running_loop().time(), 0
                self.connected.set()
            case management.StateChanged(state="RECONNECTING" | "EXITING"):
                self._broken.set()
            case management.BytesCounted(received=received, sent=sent):
                self._count(received, sent)
            case management.LogLine(text=text):
                self.told = openvpn.latest(self.told, text)
            case _:
                pass

    def _count(self, received: int, sent: int) -> None:
        """Note the octets so far. Where the kernel carries them it judges by itself whether the far end is
        there.
        """
        now = asyncio.get_running_loop().time()
        if received > self.received:
            self._heard, self._idle = now, 0
        else:
            self._idle += 1
        self.received, self.sent = received, sent
        starved = self._idle >= _STARVED_COUNTS and now - self._heard >= STARVED
        if starved and self.connected.is_set() and self.discard is None:
            self.told = self.told or "nothing comes from the far end"
            self._broken.set()
        self.counted.send()


def digest(text: str, spec: VpnClient) -> str:
    """Of all that the process was started with."""
    return records.digest(text, *(part for file in spec.files for part in file))


def place(spec: VpnClient, slot: int, context: openvpn.Context) -> Path:
    """The directory of the process on this device."""
    return context.run_directory / (f"{spec.name}.{slot}" if slot else spec.name)


async def _outcome(task: asyncio.Task[None] | None) -> None:
    """Return when the task has ended, without ending it; raises what it raised."""
    if task is None:
        return
    await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
