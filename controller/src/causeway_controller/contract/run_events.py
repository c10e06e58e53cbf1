"""Kinds of what a run tells, and what comes with each."""

from __future__ import annotations

from typing import Final

STARTED: Final = "started"
"""Planned, and about to begin: `stages` are its sentences; of a failover `mode` is the one it begins in, and
`left_out` are VMs that were to be.
"""
TAKEN_OVER: Final = "taken-over"
"""Another controller carries it on; `silent` are appliances that could not be told of it."""
STEP: Final = "step"
STAGE: Final = "stage"
"""Everything of the stage has ended, and is remembered."""
WAITING: Final = "waiting"
"""A step waits: `why`, and `until` when at the latest."""
SETTLED: Final = "settled"
"""The tenant is in this `mode` from now on, however the run ends."""
FAILED: Final = "failed"
"""It did not go through: `why`, what was `undone`, what could not be (`kept`), which steps `stand`, and which
besides may have left a replica on (`reached`).
"""
FINISHED: Final = "finished"
"""It went through: the `mode` that it left, its `failures`, and `reached` as above."""
LAST: Final = frozenset({FAILED, FINISHED})
"""Nothing comes after these."""
