"""Whether a way of a tunnel works: does it connect, is the far end there, do packets come through?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

import structlog

from causeway_agent.backends.gateway import server_question
from causeway_agent.backends.gateway.gateway_echo import Gateways
from causeway_agent.backends.host.race import race
from causeway_agent.backends.processes import liveness, openvpn
from causeway_agent.backends.processes.openvpn_leg import Leg
from causeway_agent.backends.segment import bridge_hosts
from causeway_agent.engine.ports import Clock
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import FrameProbe, VpnClient
from causeway_agent.plan.steer import remotes
from causeway_wire.observed import Transport

PROOF: Final = 5.0
"""Seconds that a way tried beside a working one gets to carry packets once it is connected."""
GRACE: Final = 0.15
"""Seconds that a gateway may be silent while another one answers."""
LOOK: Final = 0.05
"""Seconds between looks at which gateways answer, while a way is tried."""
SETTLED: Final = 0.06
"""Seconds from a gateway's first answer on that a tunnel gets for its own, before another is tried..."""
HELD: Final = 0.04
"""...and from its server's answer to a new client on: a server that goes on after a pause answers those at
once, and sends what it held for its old ones when it has read all that waited.
"""
BLIND: Final = 1.2
"""Seconds of silence after which a way is tried though no gateway answers: an older one never does."""
WATCH: Final = 0.02
RETRY: Final = 0.5
"""Seconds until questions that could not be asked are tried again."""

_log = structlog.get_logger()


async def line_is_good(gateways: Gateways, since: float, clock: Clock) -> None:
    """Return when a gateway has answered a question asked since then, and a moment has passed; after `BLIND`
    seconds in any case.

    Before that a trial beside a silent tunnel could do harm: at the end of a pause its handshake would race
    with the answers that were held, and a server drops the older of a client's sessions.
    """
    while clock.monotonic() - since < BLIND:
        first = gateways.first_answer(since)
        if first is not None and clock.monotonic() - first >= SETTLED:
            return
        gateways.ask()
        await asyncio.sleep(WATCH)


async def talks(
    spec: VpnClient, attempt: remotes.Attempt, carrier: Leg | None, gateways: Gateways, clock: Clock
) -> bool:
    """Whether the carrier's own server, if there is a carrier, talks to new clients over this endpoint, and
    has said all it held.

    Before that a trial could do harm: a server that only paused would complete its handshake along with the
    answers that it held, and drop the session in use for it. Another server has no session to drop.
    """
    if carrier is None:
        return True
    endpoint = spec.endpoints[attempt.endpoint]
    same = endpoint.transport is spec.endpoints[carrier.endpoint].transport is Transport.UDP
    if not same or spec.tls_crypt is None:
        return True
    question = asyncio.create_task(server_question.answered(endpoint, spec.tls_crypt))
    try:
        which = await _in_time(lambda: (asyncio.wait((question,)),), attempt, gateways, clock)
    finally:
        await cancel(question)
    if which == 0:
        await asyncio.sleep(HELD)
    return which == 0


async def connects(leg: Leg, attempt: remotes.Attempt, gateways: Gateways, clock: Clock) -> bool:
    """Whether the process connects in the time that its gateway's answers earn it."""
    return await _in_time(lambda: (leg.connected.wait(), leg.ended()), attempt, gateways, clock) == 0


async def _in_time(
    rivals: Callable[[], tuple[Coroutine[Any, Any, object], ...]],
    attempt: remotes.Attempt,
    gateways: Gateways,
    clock: Clock,
) -> int | None:
    """Which of these happens first in the time that the attempt's gateway earns it; None when none does."""
    began = overtaken = clock.monotonic()
    while True:
        running = rivals()
        which = await race(*running, asyncio.sleep(LOOK))
        if which < len(running):
            return which
        gateways.ask()
        if attempt.endpoint in gateways.apart(clock.now().timestamp()):
            return None
        now, answering = clock.monotonic(), gateways.answering(began)
        patience = attempt.patience if attempt.endpoint in answering else attempt.deadline
        if attempt.endpoint in answering or not (answering and gateways.asks(attempt.endpoint)):
            overtaken = now
        if now - began >= patience or now - overtaken >= GRACE:
            return None


async def carries(leg: Leg, spec: VpnClient, *, beside: Leg) -> bool:
    """Whether a connected process carries packets both ways, beside the one in use.

    An answer shows that questions arrive; it may come back by way of the one in use. What else is received
    once the handshake is over are the server's keep-alives, each second.
    """
    leg.count_often()
    with contextlib.suppress(TimeoutError):
        async with probing(leg.device, spec, back=beside.device) as probe, asyncio.timeout(PROOF):
            await probe.first_answer()
            await leg.counted.wait()
            received = leg.received
            while leg.received <= received:
                await leg.counted.wait()
            return True
    return False


@contextlib.asynccontextmanager
async def probing(
    device: str, spec: VpnClient, *, back: str | None = None
) -> AsyncIterator[liveness.Liveness]:
    """Questions through this device while the block runs. Where none can be asked, counting what
    comes must do (`openvpn_leg.STARVED`).
    """
    probe = liveness.probe(device, spec.probe, back=back)
    asking = asyncio.create_task(_ask(probe, device, spec, tell=back is None))
    try:
        yield probe
    finally:
        await cancel(asking)


async def cancel(task: asyncio.Task[Any]) -> None:
    """End a task; what it raised is nobody's any more."""
    task.cancel()
    await asyncio.wait((task,))


async def _ask(probe: liveness.Liveness, device: str, spec: VpnClient, *, tell: bool) -> None:
    """Never returns. Routes that a question needs may follow a moment after the way is in use.

    A device that the kernel carries may be away for as long as its way is down: why nothing can be asked is
    written down when it changes, or when questions were asked in between, not at each try.
    """
    written = ""
    while True:
        began = time.monotonic()
        try:
            if tell and isinstance(spec.probe, FrameProbe):
                await bridge_hosts.tell(device, spec.probe.adapter)
            with probe:
                await probe.run()
        except (OSError, BackendError) as error:
            reason = openvpn.explain(error)
            if reason != written or time.monotonic() - began > RETRY:
                _log.warning("liveness_unavailable", process=spec.name, reason=reason)
            written = reason
        await asyncio.sleep(RETRY)
