"""Which way to the server a tunnel client takes next, and for how long it tries. Pure: no clock, no socket.

The rules: endpoints over UDP before those over TCP, and of several that have not failed in this round the one
whose gateway answers our question (`gateway_echo`), then the one that carried the tunnel last, then the
document's order. A working endpoint is kept; a tunnel on TCP looks for UDP beside itself, at once when a
gateway answers over UDP again, ever more rarely while looking is in vain. One whose connection over TCP ended
goes over TCP first while no gateway answers: each vain attempt over UDP would be a second of silence.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from causeway_wire.observed import Transport

FIRST_DEADLINE = 1.5
"""Seconds an endpoint gets to answer; doubles with each round in which none did. A lost datagram of the
handshake is sent again within a second (`openvpn_config.RETRANSMIT_SECONDS`).
"""
NEXT_DEADLINE = 0.75
"""...and each further one over UDP in the first round: where UDP is blocked, TCP should not wait for all."""
LONGEST_DEADLINE = 8.0
PATIENCE = 3.5
"""Seconds for an endpoint over UDP whose gateway answers: the line is good, and two losses in a row are
overcome by then.
"""
SLOW_PATH_FACTOR = 3.0
"""A path that once took t seconds to connect gets this many times t."""
LOOK_SOON = 2.0
"""Seconds on TCP before UDP is looked for while a gateway answers over UDP..."""
LOOK_BLINDLY = 60.0
"""...and while none does: an older gateway never answers. Both double each time that it was in vain."""
LOOK_RARELY = 600.0
LONGEST_DELAY = 2.0
SHORTEST_DELAY = 0.05
SHORT_LIFE = 1.0
"""Seconds; a process that dies younger is dying repeatedly."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The endpoint carries the tunnel from now on; it connected so many seconds after the attempt began."""

    endpoint: int
    after: float


@dataclass(frozen=True, slots=True)
class Proven:
    """The far end answers through the tunnel over the endpoint that carries it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The endpoint did not bring the tunnel up in time, or brought up one that carries nothing."""

    endpoint: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The endpoint that carried the tunnel does so no longer, and nothing else does."""


@dataclass(frozen=True, slots=True)
class LookedInVain:
    """UDP was looked for from TCP and did not carry the tunnel."""


@dataclass(frozen=True, slots=True)
class Answering:
    """A gateway answers over UDP where none did before."""


Event = Connected | Proven | Failed | Ended | LookedInVain | Answering


@dataclass(frozen=True, slots=True)
class RemoteState:
    """Where a client stands between its endpoints, which are named by their index."""

    transports: tuple[Transport, ...]
    last: int | None = None
    """The endpoint that carries the tunnel, or did last."""
    failed: frozenset[int] = frozenset()
    """Endpoints tried in vain in this round."""
    rounds: int = 0
    """Whole rounds without an answer."""
    slowest: float = 0.0
    """Longest time a successful attempt took, seconds."""
    looked: int = 0
    """Times in a row that looking for UDP was in vain."""
    ended: bool = False
    """Whether nothing carries the tunnel any more. Beside a silent way over TCP another one over TCP would be
    no trial: the server drops the older of a client's sessions, which may only have paused.
    """

    @property
    def on_tcp(self) -> bool:
        """Whether the tunnel goes over TCP, or did last."""
        return self.last is not None and self.transports[self.last] is Transport.TCP


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to do next: wait `delay` seconds, then give `endpoint` `deadline` seconds to connect."""

    endpoint: int
    delay: float
    deadline: float
    patience: float
    """...or so many, when its gateway answers over UDP meanwhile."""


def begin(transports: tuple[Transport, ...], *, current: int | None = None) -> RemoteState:
    """The state of a client that was just told its endpoints, or found running on the current one.

    Raises ValueError without endpoints.
    """
    if not transports:
        raise ValueError("a client needs at least one endpoint")
    return RemoteState(transports=transports, last=current)


def attempt(state: RemoteState, answering: AbstractSet[int] = frozenset()) -> Attempt:
    """The attempt this state asks for, given the endpoints whose gateways answer over UDP now."""
    left = (one for one in range(len(state.transports)) if one not in state.failed)
    endpoint = min(left, key=lambda one: _rank(state, one, answering))
    udp = state.transports[endpoint] is Transport.UDP
    first = NEXT_DEADLINE if udp and state.failed and not state.rounds else FIRST_DEADLINE
    deadline = min(first * float(2 ** min(state.rounds, 8)), LONGEST_DEADLINE)
    deadline = max(deadline, SLOW_PATH_FACTOR * state.slowest)
    return Attempt(
        endpoint=endpoint,
        delay=min(LONGEST_DELAY, SHORTEST_DELAY * float(2 ** min(state.rounds - 1, 16)))
        if state.rounds and not state.failed
        else 0.0,
        deadline=deadline,
        patience=max(deadline, PATIENCE) if udp else deadline,
    )


def _rank(state: RemoteState, endpoint: int, answering: AbstractSet[int]) -> tuple[bool, bool, bool, int]:
    first = Transport.TCP if state.ended and state.on_tcp and not answering else Transport.UDP
    return (
        state.transports[endpoint] is not first,
        endpoint not in answering,
        endpoint != state.last,
        endpoint,
    )


def advance(state: RemoteState, event: Event) -> RemoteState:
    """The state after this event."""
    match event:
        case Connected(endpoint=endpoint, after=after):
            return replace(state, last=endpoint, slowest=max(state.slowest, after), ended=False)
        case Proven():
            udp = state.last is not None and state.transports[state.last] is Transport.UDP
            return replace(state, failed=frozenset(), rounds=0, looked=0 if udp else state.looked)
        case Failed(endpoint=endpoint):
            failed = state.failed | {endpoint}
            over = len(failed) == len(state.transports)
            return replace(state, failed=frozenset() if over else failed, rounds=state.rounds + over)
        case Ended():
            return replace(state, ended=True)
        case LookedInVain():
            return replace(state, looked=state.looked + 1)
        case Answering():
            return replace(state, looked=0)


def look_after(state: RemoteState, answering: AbstractSet[int]) -> float | None:
    """Seconds after which a tunnel on TCP should look for UDP again; None where that is pointless."""
    if not state.on_tcp or Transport.UDP not in state.transports:
        return None
    return min(LOOK_RARELY, (LOOK_SOON if answering else LOOK_BLINDLY) * float(2 ** min(state.looked, 16)))


def look(state: RemoteState, answering: AbstractSet[int]) -> Attempt:
    """The attempt over UDP that a tunnel on TCP makes beside itself."""
    udp = [one for one, transport in enumerate(state.transports) if transport is Transport.UDP]
    # In turn, so that one gateway that answers but carries nothing does not hide the others.
    likely = [one for one in udp if one in answering] or udp
    endpoint = likely[state.looked % len(likely)]
    patience = max(PATIENCE, SLOW_PATH_FACTOR * state.slowest)
    return Attempt(endpoint=endpoint, delay=0.0, deadline=patience, patience=patience)


def restart_delay(previous: float, *, lived: float) -> float:
    """Seconds to wait before a dead process is started again: none, unless it dies young repeatedly.

    `previous` is the delay before the life that just ended, `lived` its length in seconds.
    """
    if lived >= SHORT_LIFE:
        return 0.0
    return min(LONGEST_DELAY, max(SHORTEST_DELAY, previous * 2))
