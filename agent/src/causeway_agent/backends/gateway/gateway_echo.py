"""Asks the gateways of a tunnel, beside the tunnel, whether the line to them is good over UDP.

Asked only while the answer matters: when the tunnel falls silent or is being built, quickly; while it has to
go over TCP, once a second. An older gateway never answers: then time alone decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from causeway_agent.backends.gateway import echo_message, known_keys
from causeway_agent.engine.signal import Signal
from causeway_agent.plan.model.processes import Endpoint
from causeway_wire.observed import Transport
from causeway_wire.types import Secret

QUICK: Final = 0.05
STEADY: Final = 1.0
"""Seconds between questions to each gateway."""
HURRY: Final = 0.5
"""Seconds of quick questions after each reason for them."""
SILENT: Final = 3.0
"""Seconds without an answer after which a gateway that is asked steadily counts as silent."""

REFUSED: Final = known_keys.WINDOW + 2.0
"""Seconds by which a gateway's clock is off ours when it takes no first packet of ours for certain: it tells
whole ones, and its answer was under way.
"""

_UNANSWERED = 128
_BATCH = 64


class _Line:
    """One gateway."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.where = (str(endpoint.address), endpoint.port)
        family = socket.AF_INET if endpoint.address.version == 4 else socket.AF_INET6  # noqa: PLR2004
        self.sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.asked: OrderedDict[int, float] = OrderedDict()
        self.proven = float("-inf")
        """When the youngest question was asked that has been answered."""
        self.answers: deque[tuple[float, float]] = deque(maxlen=_UNANSWERED)
        """When questions were asked and answered, of the last ones."""
        self.clock: float | None = None
        """What its clock said when ours, which nobody sets, said 0."""


class Gateways:
    """The gateways of one tunnel, by the index of their UDP endpoint. An async context manager."""

    def __init__(self, endpoints: Sequence[Endpoint], tls_crypt: Secret | None) -> None:
        self._who: echo_message.Asker | None = None
        if tls_crypt is not None:
            with contextlib.suppress(ValueError):  # OpenVPN will say what is wrong with it
                self._who = echo_message.asker(tls_crypt.reveal())
        self._udp = {
            index: one for index, one in enumerate(endpoints) if one.transport is Transport.UDP and self._who
        }
        self._lines: dict[int, _Line] = {}
        self._session = os.urandom(8)
        self._sequence = 0
        self._quick_until = float("-inf")
        self._steady = False
        self._woken = asyncio.Event()
        self.news = Signal()
        """Sent when an answer arrives."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for index, endpoint in self._udp.items():
            with contextlib.suppress(OSError):  # no such family on this machine
                line = self._lines[index] = _Line(endpoint)
                loop.add_reader(line.sock, self._hear, line)
        self._task = loop.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))
        for line in self._lines.values():
            asyncio.get_running_loop().remove_reader(line.sock)
            line.sock.close()

    def ask(self) -> None:
        """Ask quickly for a moment."""
        now = time.monotonic()
        if now >= self._quick_until:
            self._woken.set()
        self._quick_until = now + HURRY

    def rest(self) -> None:
        """The reason for quick questions is over: the next one is asked when there is a new reason."""
        self._quick_until = float("-inf")

    def keep_asking(self, *, steadily: bool) -> None:
        """Whether to ask once a second all the time."""
        self._steady = steadily
        self._woken.set()

    def asks(self, endpoint: int) -> bool:
        """Whether the gateway of this endpoint is asked over UDP."""
        return endpoint in self._lines

    def answering(self, since: float) -> frozenset[int]:
        """Endpoints whose gateways answered a question asked at this moment or later (monotonic seconds)."""
        return frozenset(index for index, line in self._lines.items() if line.proven >= since)

    def first_answer(self, since: float) -> float | None:
        """When the first answer came to a question asked at this moment or later; None when none did."""
        answers = (one for line in self._lines.values() for one in line.answers)
        return min((heard for asked, heard in answers if asked >= since), default=None)

    def apart(self, now: float) -> dict[int, float]:
        """Endpoints whose gateways take no first packet of ours for our clock, by how many seconds theirs is
        ahead of it; `now` is what ours says (Unix time).
        """
        ahead = {
            index: line.clock + _steady_time() - now
            for index, line in self._lines.items()
            if line.clock is not None
        }
        return {index: seconds for index, seconds in ahead.items() if abs(seconds) > REFUSED}

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            pace = self._pace()
            if pace is not None:
                for line in self._lines.values():
                    self._question(line)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pace):
                    await self._woken.wait()

    def _pace(self) -> float | None:
        if time.monotonic() < self._quick_until:
            return QUICK
        return STEADY if self._steady else None

    def _question(self, line: _Line) -> None:
        if self._who is None:
            return
        self._sequence += 1
        line.asked[self._sequence] = time.monotonic()
        if len(line.asked) > _UNANSWERED:
            line.asked.popitem(last=False)
        # What cannot be sent (no route, an ICMP error before) is not answered.
        with contextlib.suppress(OSError):
            line.sock.sendto(echo_message.question(self._who, self._session, self._sequence), line.where)

    def _hear(self, line: _Line) -> None:
        for _ in range(_BATCH):
            try:
                packet, source = line.sock.recvfrom(256)
            except OSError:  # nothing left, or an ICMP error: no answer
                return
            if self._who is None or source[:2] != line.where:
                continue
            heard = echo_message.answered(packet, self._who, self._session)
            moment = None if heard is None else line.asked.pop(heard.sequence, None)
            if heard is not None and moment is not None:
                line.clock = None if heard.time is None else heard.time - _steady_time()
                line.proven = max(line.proven, moment)
                line.answers.append((moment, time.monotonic()))
                self.news.send()


def _steady_time() -> float:
    """Seconds on a clock that nobody sets, and that runs on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
