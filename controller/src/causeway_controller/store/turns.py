"""Turns of those that write to one file of SQLite, in the order in which they ask.

A writer of SQLite that finds another one sleeps and asks again, and may find others for ever: beside sixty
threads that write, a controller could not renew its lease. And each commit is synced to the disk: who waits
for a turn writes into the transaction of the one before, as a part of its own, and one commit is everybody's.
Nobody goes on before it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

_MOST: Final = 64
"""Parts of one transaction, so that the first is not kept waiting without end."""

Given = TypeVar("Given")
Given_co = TypeVar("Given_co", covariant=True)


class Joint(Protocol[Given_co]):
    """A transaction that several write into, one after the other."""

    @property
    def broken(self) -> bool:
        """Whether nothing of it can be kept any more."""

    def part(self) -> AbstractContextManager[Given_co]:
        """Write a part of it, which alone is undone when anything is raised."""

    def commit(self) -> None:
        """Keep all parts, or raise and keep none."""


@dataclass(slots=True, kw_only=True)
class _Group(Generic[Given]):
    """Those that share a transaction."""

    transaction: Joint[Given]
    members: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


@dataclass(slots=True)
class _Ticket(Generic[Given]):
    """Somebody who waits for a turn, and which transaction it then writes into; None for a new one."""

    turn: threading.Event = field(default_factory=threading.Event)
    group: _Group[Given] | None = None


class Turns(Generic[Given]):
    """One writer at a time of this process; other processes are SQLite's own affair."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[_Ticket[Given]] = deque()
        self._taken = False

    @contextmanager
    def turn(self, begin: Callable[[], Joint[Given]], *, urgent: bool = False) -> Iterator[Given]:
        """Wait for the turn and write; return when that is kept.

        `urgent`: the next turn, and no other after it in the same transaction.

        What is raised within undoes this part only. Raises what `begin` raises, and what a commit does: then
        no part of the transaction is kept.
        """
        group = self._take(urgent=urgent)
        if group is None:
            try:
                group = _Group(transaction=begin())
            except BaseException:
                self._pass_on()
                raise
        try:
            with group.transaction.part() as given:
                yield given
        finally:
            self._leave(group, last=urgent)

    def _take(self, *, urgent: bool) -> _Group[Given] | None:
        """Wait for the turn; whose transaction it is in, when another one left it open."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return None
            mine = _Ticket[Given]()
            (self._waiting.appendleft if urgent else self._waiting.append)(mine)
        mine.turn.wait()
        return mine.group

    def _leave(self, group: _Group[Given], *, last: bool) -> None:
        """Give the open transaction to the next one, or end it; return when it is kept."""
        group.members += 1
        more = not last and group.members < _MOST and not group.transaction.broken
        if not (more and self._hand_over(group)):
            try:
                group.transaction.commit()
            except BaseException as error:  # noqa: BLE001 - each member raises it
                group.error = error
            group.over.set()
            self._pass_on()
        group.over.wait()
        if group.error is not None:
            raise group.error

    def _hand_over(self, group: _Group[Given]) -> bool:
        """Whether somebody waited for it."""
        with self._guard:
            if not self._waiting:
                return False
            following = self._waiting.popleft()
        following.group = group
        following.turn.set()
        return True

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().turn.set()
            else:
                self._taken = False
