"""What a run leaves to the next one of the same tenant and host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """What a run leaves to the next one, in the sentences of its steps and of their ways back."""

    kept: tuple[str, ...] = ()
    """What it could not take back. A run that fails says it again, so that it is not forgotten."""
    reached: frozenset[str] = frozenset()
    """Steps that may have acted although the tenant's mode does not say so."""


def about(told: str, way_back: str) -> bool:
    """Whether this is told of the step's way back: by itself when it was gone, with the reason when not."""
    return told == way_back or told.startswith(f"{way_back} (")
