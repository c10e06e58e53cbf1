"""The way of a packet through an appliance, stage by stage, as it is told over the API."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from causeway_wire.observed import Report


class PathStage(Report, frozen=True, kw_only=True):
    """What decides at one place, and what it decides."""

    stage: str
    """Such as `enters`, `routed`, `filtered`, `tunnel` or `reply`."""
    text: str
    passes: bool = True
    advice: str = ""
    """What to do when the packet stops here."""
    counter: str = ""
    """The filter's counter that counts it, when it is dropped."""


class PacketPath(Report, frozen=True, kw_only=True):
    """The stages in their order, the last one decisive, and a sentence that says what it means."""

    stages: tuple[PathStage, ...]
    verdict: str
    passes: bool
    works: bool
    """Whether it passes and its answer comes back."""
    reply: PathStage | None = None
    """What becomes of the answer; nothing when the packet stops before."""
    packets: Annotated[int, Meta(ge=0)] | None = None
    """Of the counter that counts it, so far."""
