"""A connection to one libvirt daemon: kept, made anew when it was lost, and asked in threads with a deadline.

The binding blocks. Each call gets a thread of its own that nothing waits for when the process ends: a host
that hangs costs its caller the deadline, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.kept import Kept
from causeway_controller.hypervisors.libvirt import binding
from causeway_controller.hypervisors.libvirt.link import Link
from causeway_controller.hypervisors.shared import DroppedError
from causeway_controller.hypervisors.threads import in_thread

CONNECT_SECONDS: Final = 30.0
"""A daemon looks at its emulators first, when it was just started."""
SECONDS: Final = 30.0
_KEEPALIVE_SECONDS: Final = 5
_KEEPALIVE_COUNT: Final = 3

Answer = TypeVar("Answer")


class Session:
    """Asks one daemon. `connect` blocks and returns a connection of the binding's."""

    def __init__(self, host: str, connect: Callable[[], Any], *, patience: float = 1.0) -> None:
        """`patience`: how many times longer than usual to wait."""
        self._host = host
        self._patience = patience
        # Not bound to us: a circle would keep the connection open until the next collection of garbage.
        self._kept = Kept(functools.partial(_open, connect), name="libvirt")

    async def ask(
        self, question: Callable[[Any], Answer], *, seconds: float | None = SECONDS, again: bool = True
    ) -> Answer:
        """Return the answer; on a connection that proves lost ask once more on a new one, unless not `again`.

        Raises HypervisorError, also when there is no answer in time; the question may still be under way.
        """
        while True:
            link = await self._linked()
            try:
                return await self._answer(link, question, seconds)
            except (binding.load().libvirtError, DroppedError) as error:
                lost = not link.alive()
                if lost:
                    self._kept.drop(link)
                if not (lost and again):
                    detail = str(error) or "the connection was lost"
                    raise HypervisorError(f"host {self._host}: {detail}") from error
                again = False

    async def _answer(self, link: Link, question: Callable[[Any], Answer], seconds: float | None) -> Answer:
        patience = None if seconds is None else seconds * self._patience
        try:
            async with asyncio.timeout(patience):
                return await in_thread(lambda: link.ask(question), name="libvirt")
        except TimeoutError as error:
            self._kept.drop(link)
            raise HypervisorError(
                f"host {self._host} did not answer within {patience or 0:.0f} s; look at its libvirt "
                "daemon and its storage"
            ) from error

    async def _linked(self) -> Link:
        """The connection; raises HypervisorError."""
        there = self._kept.there
        if there is not None and not there.alive():
            self._kept.drop(there)
        try:
            return await self._kept.get(CONNECT_SECONDS * self._patience)
        except TimeoutError as error:
            raise HypervisorError(
                f"host {self._host} accepts nobody: no answer within {CONNECT_SECONDS * self._patience:.0f} s"
            ) from error
        except binding.load().libvirtError as error:
            raise HypervisorError(f"host {self._host} cannot be reached: {error}") from error


class Attempt:
    """Asks as the session does, until it is given up."""

    def __init__(self, session: Session, take_back: Callable[[Any], None]) -> None:
        """`take_back` deletes what was made, by this connection; blocks."""
        self._session = session
        self._take_back = take_back
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Have what is still under way be taken back when it ends: what it makes, nobody else sees."""
        self._given_up.set()

    async def ask(
        self, question: Callable[[Any], Answer], *, seconds: float | None = SECONDS, again: bool = True
    ) -> Answer:
        """As `Session.ask`."""

        def asked(connection: Any) -> Answer:
            try:
                return question(connection)
            finally:
                if self._given_up.is_set():
                    with contextlib.suppress(Exception):  # nobody hears of it
                        self._take_back(connection)

        return await self._session.ask(asked, seconds=seconds, again=again)


def _open(connect: Callable[[], Any]) -> Link:
    refusal: type[Exception] = binding.load().libvirtError
    connection = connect()
    # Refused by a connection to a driver in this process, and by daemons that are too old for it.
    with contextlib.suppress(refusal):
        connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
    return Link(connection, refusal=refusal)
