"""What a seed means to a machine with this past. Pure.

A seed is imported once. Until the appliance is enrolled, a corrected seed for the same appliance replaces the
one before: that is how a mistyped address is put right. From enrolment on nothing replaces it but a new disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Literal

from msgspec import Meta

from causeway_agent.settings import Settings
from causeway_wire.desired import Document
from causeway_wire.problem import Problem, ProblemType, problem
from causeway_wire.seed import Seed, token_digest
from causeway_wire.types import ApplianceId

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]


class Record(Document, frozen=True, kw_only=True):
    """What the machine remembers of seeds: whose they were, and digests of the tokens it has taken."""

    version: Literal[1] = 1
    appliance: ApplianceId
    tokens: tuple[Digest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The past of this machine."""

    record: Record | None
    settings: Settings | None
    """None when there are none, or none that can be read."""
    enrolled: bool

    @property
    def appliance(self) -> ApplianceId | None:
        """Who it is, if it is somebody."""
        known = self.record or self.settings
        return None if known is None else known.appliance

    def took(self, digest: Digest) -> bool:
        """Whether the token was in a seed taken before."""
        token = self.settings.enrolment_token if self.settings else None
        return (self.record is not None and digest in self.record.tokens) or (
            token is not None and token_digest(token) == digest
        )


class Answer(Enum):
    """What to do with the seed, when it is not refused."""

    TAKE = auto()
    TAKEN = auto()
    """It is in force already."""
    REPLAYED = auto()
    """Its token was used: the appliance is enrolled and keeps what it has."""


def decide(seed: Seed, memory: Memory, wanted: Settings) -> Answer | Problem:
    """The answer, or why it is refused. `wanted`: the settings that the seed would make."""
    if memory.appliance not in {None, seed.appliance}:
        detail = (
            f"this machine is appliance {memory.appliance} and the seed is for {seed.appliance}; attach the "
            f"right seed, or deploy {seed.appliance} as a machine of its own"
        )
        return problem(ProblemType.WRONG_APPLIANCE, detail, pointer="/appliance")
    used = memory.took(token_digest(seed.enrolment.token))
    if memory.enrolled and memory.settings is None:
        detail = (
            "this appliance is enrolled, yet its settings are lost or damaged, and a used token restores "
            "nothing; give it an empty disk and a new seed"
        )
        return problem(ProblemType.INVALID, detail)
    if memory.enrolled:
        if used:
            return Answer.REPLAYED
        detail = (
            "this appliance is enrolled, and a new token does not change that; to deploy it anew, give it an "
            "empty disk, and to change its addresses, send it a document"
        )
        return problem(ProblemType.INVALID, detail, pointer="/enrolment/token")
    return Answer.TAKEN if used and memory.record and memory.settings == wanted else Answer.TAKE
