"""A fuse that every fake shares: it ends the agent's life, or refuses, at a chosen effect."""

from __future__ import annotations

from causeway_agent.errors import BackendError


class Crash(BaseException):
    """The machine lost power. Not an `Exception`, so that no handler of the agent can survive it."""


class Fuse:
    """Counts effects. Blows (raises `Crash`) before or after effect number `at`, or refuses one by number."""

    def __init__(self) -> None:
        self.count = 0
        self.log: list[str] = []
        """What was done, in words."""
        self.at: int | None = None
        self.before = True
        self.refuse: set[int] = set()
        self.refuse_all = False

    def enter(self, doing: str) -> None:
        """Called before each effect."""
        self.count += 1
        self.log.append(doing)
        if self.count == self.at and self.before:
            raise Crash(doing)
        if self.refuse_all or self.count in self.refuse:
            raise BackendError(doing, "refused by the test")

    def leave(self, doing: str) -> None:
        """Called after each effect."""
        if self.count == self.at and not self.before:
            raise Crash(doing)

    def mend(self) -> None:
        """Let everything pass again, counting from zero."""
        self.count, self.at, self.refuse, self.refuse_all = 0, None, set(), False
        self.log.clear()
