"""Which way to the server a tunnel client takes next, and for how long it tries. Pure: no clock, no socket.

The rules: endpoints over UDP before those over TCP, each in the document's order. Whoever loses a working
tunnel tries the same endpoint once at once, then the others in order of preference. A working endpoint is
kept; only a tunnel on TCP looks for UDP again, rarely, because looking costs it an interruption.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from causeway_wire.observed import Transport

FIRST_DEADLINE = 1.0
"""Seconds an endpoint gets to answer; doubles with each round in which none did."""
LONGEST_DEADLINE = 8.0
SLOW_PATH_FACTOR = 3.0
"""A path that once took t seconds to connect gets this many times t."""
RECONSIDER_AFTER = 600.0
"""Seconds on TCP before UDP is tried again; doubles each time that was in vain."""
RECONSIDER_DOUBLINGS = 5
LONGEST_DELAY = 2.0
SHORTEST_DELAY = 0.05
SHORT_LIFE = 1.0
"""Seconds; a process that dies younger is dying repeatedly."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The endpoint answered and the tunnel is up, this many seconds after the attempt began."""

    after: float


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The endpoint did not bring the tunnel up in time."""


@dataclass(frozen=True, slots=True)
class LivenessLost:
    """The tunnel was up and went silent."""


@dataclass(frozen=True, slots=True)
class ProcessDied:
    """The client process ended by itself."""


@dataclass(frozen=True, slots=True)
class ReconsiderDue:
    """The time of `reconsider_after` has passed."""


Event = Connected | AttemptFailed | LivenessLost | ProcessDied | ReconsiderDue


@dataclass(frozen=True, slots=True)
class RemoteState:
    """Where a client stands between its endpoints, which are named by their index."""

    transports: tuple[Transport, ...]
    preference: tuple[int, ...]
    queue: tuple[int, ...]
    """Endpoints still to try in this round; the first is the current one."""
    connected: bool = False
    rounds: int = 0
    """Whole rounds without an answer."""
    slowest: float = 0.0
    """Longest time a successful attempt took, seconds."""
    reconsidered: int = 0
    """Times in a row that looking for UDP was in vain."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to do next: wait `delay` seconds, then give `endpoint` `deadline` seconds to connect."""

    endpoint: int
    delay: float
    deadline: float


def begin(transports: tuple[Transport, ...], *, current: int | None = None) -> RemoteState:
    """The state of a client that was just told its endpoints, or found running on the current one.

    Raises ValueError without endpoints.
    """
    if not transports:
        raise ValueError("a client needs at least one endpoint")
    indices = range(len(transports))
    preference = tuple(sorted(indices, key=lambda index: transports[index] is Transport.TCP))
    queue = preference if current is None else _from(current, preference)
    return RemoteState(transports=transports, preference=preference, queue=queue)


def attempt(state: RemoteState) -> Attempt:
    """The attempt this state asks for."""
    patience = FIRST_DEADLINE * float(2 ** min(state.rounds, 8))
    return Attempt(
        endpoint=state.queue[0],
        delay=min(LONGEST_DELAY, SHORTEST_DELAY * float(2 ** min(state.rounds - 1, 16)))
        if state.rounds
        else 0.0,
        deadline=max(min(patience, LONGEST_DEADLINE), SLOW_PATH_FACTOR * state.slowest),
    )


def advance(state: RemoteState, event: Event) -> RemoteState:
    """The state after this event."""
    current = state.queue[0]
    match event:
        case Connected(after=after):
            udp = state.transports[current] is Transport.UDP
            return replace(
                state,
                connected=True,
                rounds=0,
                slowest=max(state.slowest, after),
                reconsidered=0 if udp else state.reconsidered,
            )
        case LivenessLost() | ProcessDied() if state.connected:
            return replace(state, connected=False, queue=_from(current, state.preference))
        case ReconsiderDue():
            udp_first = tuple(i for i in state.preference if state.transports[i] is Transport.UDP)
            queue = (*udp_first, *_from(current, tuple(i for i in state.preference if i not in udp_first)))
            return replace(state, connected=False, queue=queue, reconsidered=state.reconsidered + 1)
        case AttemptFailed() | LivenessLost() | ProcessDied():
            rest = state.queue[1:]
            if rest:
                return replace(state, connected=False, queue=rest)
            return replace(state, connected=False, queue=state.preference, rounds=state.rounds + 1)


def reconsider_after(state: RemoteState) -> float | None:
    """Seconds after which a tunnel on TCP should look for UDP again; None where that is pointless."""
    on_tcp = state.connected and state.transports[state.queue[0]] is Transport.TCP
    if not on_tcp or Transport.UDP not in state.transports:
        return None
    return RECONSIDER_AFTER * float(2 ** min(state.reconsidered, RECONSIDER_DOUBLINGS))


def restart_delay(previous: float, *, lived: float) -> float:
    """Seconds to wait before a dead process is started again: none, unless it dies young repeatedly.

    `previous` is the delay before the life that just ended, `lived` its length in seconds.
    """
    if lived >= SHORT_LIFE:
        return 0.0
    return min(LONGEST_DELAY, max(SHORTEST_DELAY, previous * 2))


def _from(first: int, preference: tuple[int, ...]) -> tuple[int, ...]:
    return (first, *(index for index in preference if index != first))
