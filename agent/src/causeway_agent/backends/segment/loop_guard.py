"""The loop guard of one bridge: speaks and hears frames, and opens or closes the tunnel's ports accordingly.

The decision is `plan.steer.loop_guard`'s. Ports are open while their index is in set `open` of the bridge
table, which no load of a policy empties, so that a bridge outlives the agent; a device made anew has
another index and is closed. What is wanted is said again now and then, because the table may have been
made anew.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import structlog

from causeway_agent.backends.filter.runner import NftRunner
from causeway_agent.backends.segment import guard_frames, packet_socket
from causeway_agent.backends.segment.guard_frames import Frame, Kind
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import bridge
from causeway_agent.plan.model.processes import LoopGuard
from causeway_agent.plan.steer import loop_guard
from causeway_agent.plan.steer.loop_guard import Guard, Verdict

LOOP = "loop detected: the two segments are joined elsewhere; the bridge stays closed until they are not"

_REPEAT = 5.0
"""Seconds after which the ports' state is put into the packet filter again."""
_BUDGET = 64
"""Frames heard per socket and interval; the far end needs a dozen, a loop brings thousands."""
_FRAME = 256
_NOT_NOW = frozenset({errno.ENOBUFS, errno.EAGAIN, errno.EIO})
"""A tap takes no frame while no process is attached to it."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Ear:
    """A socket, and how many more frames it may hear until the next probe."""

    sock: socket.socket
    handle: Callable[[Frame], None]
    left: int = _BUDGET


@dataclass(slots=True)
class Watch:
    """Guards one bridge while `run` is awaited."""

    spec: LoopGuard
    nft: NftRunner
    changed: Callable[[str], None]
    """Told a short reason when the verdict changes."""
    _guard: Guard = field(init=False)
    _done: Verdict = Verdict.LISTENING
    """The verdict that the packet filter was told last."""
    _told_at: float = 0.0
    _sequence: int = 0
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: OSError | None = None

    @property
    def problem(self) -> str | None:
        """Why the bridge is closed, when a loop was heard."""
        return LOOP if self._done is Verdict.BLOCKED else None

    async def run(self, ready: Callable[[], None]) -> None:
        """Guard until cancelled; calls `ready` once probes are sent.

        Raises BackendError when a device is missing, goes down or away.
        """
        loop = asyncio.get_running_loop()
        self._guard = Guard(own=secrets.token_bytes(guard_frames.NUMBER_OCTETS), since=loop.time())
        self._failure = None
        try:
            with self._ears() as ears:
                ready()
                while True:
                    self._speak(ears)
                    await self._listen(loop.time() + loop_guard.INTERVAL)
        except OSError as error:
            doing = f"guard bridge {self.spec.bridge} against loops"
            raise BackendError(doing, error.strerror or str(error)) from error

    @contextmanager
    def _ears(self) -> Iterator[list[_Ear]]:
        """One ear per port, the adapter's first. In the taps only the far appliance is heard: frames with our
        EtherType that guests send pass the bridge like others, and would use the budget up.
        """
        with ExitStack() as stack:
            kind = guard_frames.ETHERTYPE
            sockets = [stack.enter_context(packet_socket.open_frames(self.spec.adapter, kind))]
            sockets += [
                stack.enter_context(packet_socket.open_frames_to(tap, kind, guard_frames.NEAREST))
                for tap in self.spec.taps
            ]
            ears = [_Ear(sockets[0], self._from_segment)]
            ears += [_Ear(sock, self._from_tunnel(sock)) for sock in sockets[1:]]
            loop = asyncio.get_running_loop()
            for ear in ears:
                loop.add_reader(ear.sock, self._hear, ear)
                stack.callback(loop.remove_reader, ear.sock)
            yield ears

    def _speak(self, ears: list[_Ear]) -> None:
        """A probe into the segment, a greeting through the tunnel; every ear hears again."""
        loop = asyncio.get_running_loop()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        for index, ear in enumerate(ears):
            kind = Kind.HELLO if index else Kind.PROBE
            _send(ear.sock, Frame(kind, self._guard.own, self._sequence))
            ear.left = _BUDGET
            loop.add_reader(ear.sock, self._hear, ear)

    async def _listen(self, until: float) -> None:
        """Act on what is heard, until this moment."""
        loop = asyncio.get_running_loop()
        while True:
            self._guard = loop_guard.passed(self._guard, loop.time())
            await self._act(loop.time())
            due = loop_guard.due(self._guard)
            try:
                async with asyncio.timeout_at(until if due is None else min(until, due)):
                    await self._woken.wait()
            except TimeoutError:
                if loop.time() >= until:
                    return
            self._woken.clear()
            if self._failure is not None:
                raise self._failure

    async def _act(self, now: float) -> None:
        """Tell the packet filter; the reports are told when it is done."""
        wanted = self._guard.verdict
        if wanted is Verdict.LISTENING or (wanted is self._done and now - self._told_at < _REPEAT):
            return
        ports = [socket.if_nametoindex(tap) for tap in self.spec.taps]
        command = bridge.open_ports if wanted is Verdict.OPEN else bridge.close_ports
        await self.nft.run(command(ports))
        self._told_at = now
        if wanted is self._done:
            return
        self._done = wanted
        self.changed(f"{self.spec.name} {wanted.value}")
        log = _log.error if wanted is Verdict.BLOCKED else _log.info
        log("loop_guard", process=self.spec.name, verdict=wanted.value, reason=self.problem)

    def _hear(self, ear: _Ear) -> None:
        """Take one frame; the loop calls again while there are more."""
        try:
            frame = guard_frames.parse(ear.sock.recv(_FRAME))
            if frame is not None:
                ear.handle(frame)
        except BlockingIOError:
            return
        except OSError as error:
            self._failure = error
            self._woken.set()
            return
        ear.left -= 1
        if ear.left <= 0:
            asyncio.get_running_loop().remove_reader(ear.sock)

    def _from_segment(self, frame: Frame) -> None:
        if frame.kind is Kind.PROBE:
            self._learn(loop_guard.heard(self._guard, frame.number, asyncio.get_running_loop().time()))

    def _from_tunnel(self, sock: socket.socket) -> Callable[[Frame], None]:
        def handle(frame: Frame) -> None:
            if frame.kind is Kind.HELLO:
                if frame.number != self._guard.peer:
                    # The tunnel has just come up, or the far guard: it need not wait for our next greeting.
                    _send(sock, Frame(Kind.HELLO, self._guard.own, self._sequence))
                self._learn(loop_guard.met(self._guard, frame.number, asyncio.get_running_loop().time()))
            elif frame.kind is Kind.ECHO:
                _send(sock, Frame(Kind.REPLY, frame.number, frame.sequence))

        return handle

    def _learn(self, guard: Guard) -> None:
        if (guard.verdict, guard.peer) != (self._guard.verdict, self._guard.peer):
            self._woken.set()
        self._guard = guard


def _send(sock: socket.socket, frame: Frame) -> None:
    """Send, as far as the device takes it."""
    try:
        sock.send(guard_frames.build(frame, packet_socket.mac_of(sock)))
    except OSError as error:
        if error.errno not in _NOT_NOW:
            raise
