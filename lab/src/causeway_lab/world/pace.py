"""How long things may take in a lab: deadlines, in seconds. What is waited for is over sooner."""

from __future__ import annotations

from dataclasses import dataclass

from causeway_controller.workflows.timing import Timing

_WORKFLOW = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Appliances that are processes, unless told otherwise."""

    boot: float = 60.0
    """From power to an agent that can be connected to."""
    apply: float = 20.0
    """For the first document."""
    claim: float = 20.0
    """For one claim of a demonstration."""
    first_packet: float = 15.0
    """From the end of a failover."""
    stream: float = 10.0
    """For a stream over TCP, and back..."""
    stream_octets: int = 2_000_000
    """... of so many octets."""
    answers: float = 1.0
    """How many times longer than usual an answer is waited for: an appliance's, a VM's. As long must silence
    last to count as silence.
    """
    at_once: int = 16
    """Appliances that are asked for keys at the same time."""
    boots_at_once: int = 16
    """Appliances that boot at the same time."""
    workflow: Timing = _WORKFLOW


PROCESSES = Pace()
LINES = Pace(claim=60.0, stream=15.0, stream_octets=500_000, answers=3.0, workflow=Timing(tunnel=60.0))
"""Appliances that are processes, behind lines that delay and lose. At 1 % lost and 100 ms there and back TCP
carries about 150 kB/s over any path (Mathis et al. 1997), so the stream is shorter.
"""
MACHINES = Pace(
    boot=1200.0,
    apply=180.0,
    claim=180.0,
    first_packet=120.0,
    answers=8.0,
    at_once=1,
    boots_at_once=3,
    workflow=Timing(change=180.0, courtesy=30.0, confirm=160, tunnel=120.0, mode=60.0),
)
"""Appliances that boot, emulated by a busy machine: tens of times slower than the real thing."""
