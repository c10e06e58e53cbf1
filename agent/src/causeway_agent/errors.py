"""Everything the agent raises on purpose.

AgentError
├── SettingsError        the settings file or environment is wrong
├── CompileError         the document cannot be meant: carries problems with pointers
├── HeldError            another process works on this appliance
├── SeedRefusedError     first boot found a seed that it may not take
├── BackendError         the kernel, nftables or a process refused
│   ├── StorageError     the disk refused
│   └── DamagedError     what is on the disk is not what was written
└── Bug                  an impossible branch was taken
"""

from __future__ import annotations

from causeway_wire.problem import Problem


class AgentError(Exception):
    """Root of the agent's errors."""


class SettingsError(AgentError):
    """The agent cannot start with these settings."""


class CompileError(AgentError):
    """A well-formed document that cannot be meant; `more` problems were found that are not told."""

    def __init__(self, problems: tuple[Problem, ...], *, more: int = 0) -> None:
        super().__init__("; ".join(f"{p.pointer}: {p.detail}" for p in problems))
        self.problems = problems
        self.more = more


class HeldError(AgentError):
    """Two agents must not work on one appliance: the second one ends at once."""

    def __init__(self, lock: str, holder: str) -> None:
        super().__init__(f"{holder} works on this appliance and holds {lock}; end it first, or ask it")


class SeedRefusedError(AgentError):
    """A seed was found and nothing of it was taken; `where` says what carried it."""

    def __init__(self, where: str, problems: tuple[Problem, ...]) -> None:
        told = "; ".join(": ".join(filter(None, (p.pointer or "", p.detail))) for p in problems)
        super().__init__(f"the seed from {where} is refused: {told}")
        self.where = where
        self.problems = problems


class BackendError(AgentError):
    """Something outside refused; `doing` says what was attempted, `reason` what came back."""

    def __init__(self, doing: str, reason: str) -> None:
        super().__init__(f"{doing}: {reason}")
        self.doing = doing
        self.reason = reason


class StorageError(BackendError):
    """The disk refused; the message says what to do about it."""


class DamagedError(BackendError):
    """A file of ours is not what was written: it is not believed."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)


class Bug(AgentError):  # noqa: N818 - the word says it
    """A defect of the agent."""
