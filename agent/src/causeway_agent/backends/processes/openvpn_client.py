"""The tenant's end of a tunnel: an OpenVPN client, moved between gateways and transports without a break.

When the far end falls silent, another way is tried beside the one in use, on the other tun device. Whichever
answers first wins: a line that only paused delivers what it held, and the trial is withdrawn; a server,
gateway or transport that is gone is replaced as soon as the new way is connected. So it may be tried early,
and a pause need not be told from a death. Which endpoint is next is `plan.steer.remotes`' decision, what
silence means `plan.steer.silence`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Collection

import structlog

from causeway_agent.backends.gateway import gateway_echo
from causeway_agent.backends.host.race import race
from causeway_agent.backends.processes import liveness, openvpn, openvpn_trial, records
from causeway_agent.backends.processes.openvpn_leg import Leg
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import FrameProbe, VpnClient
from causeway_agent.plan.steer import impairment, remotes
from causeway_agent.plan.steer.silence import Verdict
from causeway_wire.observed import Transport, TunnelReport, TunnelState

DRAIN = 1.0
"""Seconds that the way before goes on taking packets after a change: some are still under way."""

_log = structlog.get_logger()


class ClientUnit:
    """Keeps one tunnel connected."""

    def __init__(self, spec: VpnClient, context: openvpn.Context, store: records.Records) -> None:
        self.spec = spec
        self.status = openvpn.Status(tunnel=spec.tunnel)
        self._context = context
        self._store = store
        self._remotes = remotes.begin(tuple(endpoint.transport for endpoint in spec.endpoints))
        self._gateways = gateway_echo.Gateways(spec.endpoints, spec.tls_crypt)
        self._carrier: Leg | None = None
        """The way in use; what else runs is on trial, or finishing."""
        self._trial: Leg | None = None
        self._former: Leg | None = None
        # Where routes lead before the first way is up, so that they need not change then.
        self._slot = spec.suiting(remotes.attempt(self._remotes).endpoint)[0]
        self._started = asyncio.Event()
        self._asked = 0.0
        self._heard = False
        self._no_udp = context.clock.now()
        """When UDP was last found not to carry the tunnel."""
        self._entered = 0.0
        """When the state was entered that is told, monotonic seconds."""
        self._pause = 0.0  # before the next way is tried, when several in use have died young

    @property
    def device(self) -> str:
        """The tun device that carries the tunnel, or did last."""
        return self.spec.devices[self._slot]

    def report(self) -> TunnelReport:
        """The state of this end."""
        if self._carrier is not None:
            self.status.received, self.status.sent = self._carrier.received, self._carrier.sent
        return self.status.report(impairment=self._impairment())

    def adopt(self, entry: records.Record) -> bool:
        """Take over the recorded process if it still runs with the configuration it would get now."""
        leg = Leg.adopt(self.spec, entry, self._context)
        if leg is not None:
            self._remotes = remotes.begin(self._remotes.transports, current=leg.endpoint)
            self._carrier, self._slot = leg, leg.slot
        return leg is not None

    def lost(self, devices: Collection[str]) -> None:
        """Find another way at once when these devices are gone and one of them carried the tunnel."""
        if self._carrier is not None and self._carrier.device in devices:
            self._carrier.lose_device()

    async def ready(self) -> None:
        """Return when the first process runs; raises BackendError when it could not be started."""
        await self._started.wait()
        if self._carrier is None and self._trial is None:
            raise BackendError(f"start {self.spec.name}", self.status.last_error or "it ended")

    async def run(self) -> None:
        """Keep the tunnel connected until cancelled, which leaves the process in use alone."""
        async with self._gateways, asyncio.TaskGroup() as background:
            if self._carrier is not None:
                await self._resume(self._carrier)
            while True:
                former = self._carrier
                found = await (self._find() if former is None else self._attend(former))
                if found is None:
                    continue
                self._use(found)
                if former is not None and former.child.alive:
                    self._former = former
                    background.create_task(self._drain(former))

    async def stop(self) -> None:
        """End the processes; `run` must have been cancelled."""
        for leg in (self._trial, self._former):
            if leg is not None:
                await leg.kill()
        if self._carrier is not None:
            await self._carrier.part()
        self._store.delete(self.spec.name)

    def release(self) -> None:
        """Leave the process in use running; the next agent ends what else there may be."""
        for leg in (self._carrier, self._trial, self._former):
            if leg is not None:
                leg.release()

    async def _resume(self, adopted: Leg) -> None:
        """An adopted process says at once whether it is connected; if not, it gets the time of an attempt."""
        self._started.set()
        self._enter(TunnelState.CONNECTING)
        patience = remotes.attempt(self._remotes).patience
        which = await race(adopted.connected.wait(), adopted.ended(), asyncio.sleep(patience))
        if which == 0:
            self._use(adopted)
        else:
            await self._give_up(adopted, impairment.NO_ANSWER)

    async def _attend(self, carrier: Leg) -> Leg | None:
        """Watch the process in use until it is replaced: by whom, or none when it ended before that."""
        async with openvpn_trial.probing(carrier.device, self.spec) as probe:
            while self._carrier is carrier:
                which = await race(
                    carrier.ended(),
                    probe.becomes(Verdict.DOUBTFUL, Verdict.LOST),
                    self._due(),
                    self._alert(probe),
                )
                if which == 0:
                    await self._give_up(carrier, "the connection was lost")
                    return None
                found = await (self._beside(carrier, probe) if which == 1 else self._look(carrier, probe))
                if found is not None:
                    return found
        return None

    async def _beside(self, carrier: Leg, probe: liveness.Liveness) -> Leg | None:
        """The far end is silent: look for another way until it answers again, or its process ends."""
        if not probe.answered:
            self._fail(carrier.endpoint)
        async with self._searching() as search:
            rivals = (
                asyncio.wait((search,)),
                self._recovers(probe, search),
                carrier.ended(),
                self._mourn(probe),
            )
            which = await race(*rivals)
            if which == 1 or search.cancelled():
                self._enter(TunnelState.CONNECTED)
            elif which > 1:
                await self._give_up(carrier, "the far end went silent")
            await asyncio.wait((search,))
            if search.cancelled():
                return None
        if self._carrier is carrier:
            self._count("the far end went silent")
        return search.result()

    async def _recovers(self, probe: liveness.Liveness, search: asyncio.Task[Leg]) -> None:
        """End the search when the far end answers again, and return; never when a trial has won already.

        The trial ends in the same instant: a server that goes on after a pause completes its handshake within
        milliseconds, and drops the session in use for it.
        """
        await probe.becomes(Verdict.ALIVE)
        if self._trial is not None and self._trial.connected.is_set():
            await asyncio.Event().wait()
        search.cancel()
        if self._trial is not None:
            self._trial.child.send(signal.SIGKILL)

    async def _look(self, carrier: Leg, probe: liveness.Liveness) -> Leg | None:
        """The tunnel works over TCP: try UDP beside it, and change when packets come through."""
        attempt = remotes.look(self._remotes, self._answering(gateway_echo.SILENT))
        search = asyncio.create_task(self._carries(attempt, carrier))
        try:
            await race(
                asyncio.wait((search,)), carrier.ended(), probe.becomes(Verdict.DOUBTFUL, Verdict.LOST)
            )
            if search.done() and search.result() is not None:
                return search.result()
        finally:
            await openvpn_trial.cancel(search)
        await self._withdraw()
        self._remotes = remotes.advance(self._remotes, remotes.LookedInVain())
        return None

    async def _carries(self, attempt: remotes.Attempt, carrier: Leg) -> Leg | None:
        """The way that this attempt brings up beside the carrier, if it carries packets both ways."""
        leg = await self._try(attempt)
        if leg is not None and await openvpn_trial.carries(leg, self.spec, beside=carrier):
            return leg
        return None

    async def _find(self) -> Leg:
        """Try one endpoint after another until one connects."""
        pause = self._pause if self._carrier is None else 0.0
        if self._carrier is None:
            # A tunnel on TCP has asked all along: its last answers say whether UDP passes.
            since = gateway_echo.SILENT if self._remotes.on_tcp else 0.0
            self._asked = self._context.clock.monotonic() - since
        while True:
            if self._carrier is None:
                self._enter(TunnelState.CONNECTING)
            else:
                await openvpn_trial.line_is_good(self._gateways, self._asked, self._context.clock)
            self._gateways.ask()
            attempt = remotes.attempt(self._remotes, self._gateways.answering(self._asked))
            await asyncio.sleep(max(attempt.delay, pause))
            began = self._context.clock.monotonic()
            found = await self._try(attempt)
            if found is not None:
                return found
            died = self._trial is None or not self._trial.child.alive
            lived = self._context.clock.monotonic() - began
            pause = remotes.restart_delay(pause, lived=lived) if died else 0.0
            await self._withdraw()
            self._fail(attempt.endpoint)

    async def _try(self, attempt: remotes.Attempt) -> Leg | None:
        """A process that is connected, or none; then `_trial` is what was tried."""
        clock = self._context.clock
        if not await openvpn_trial.talks(self.spec, attempt, self._carrier, self._gateways, clock):
            self._explain(impairment.NO_ANSWER)
            return None
        slot = await self._free_slot(attempt.endpoint)
        began = clock.monotonic()
        try:
            self._trial = leg = await Leg.launch(self.spec, attempt.endpoint, slot, self._context)
        except (BackendError, OSError) as error:
            self._explain(openvpn.explain(error))
            return None
        finally:
            self._started.set()
        connected = await openvpn_trial.connects(leg, attempt, self._gateways, clock)
        declined = await asyncio.to_thread(leg.declined)
        if declined is not None:
            # It would carry the packets itself, on a device that is no part of any target.
            await leg.kill()
            self._explain(declined)
            self._context.declined(self.spec.tunnel, declined)
            return None
        if connected:
            leg.took = clock.monotonic() - began
            return leg
        ways = self.spec.endpoints
        self._explain(impairment.attempted(ways, attempt.endpoint, self._apart(), leg.why))
        return None

    @contextlib.asynccontextmanager
    async def _searching(self) -> AsyncIterator[asyncio.Task[Leg]]:
        """A search that ends with the block; what it tried in vain ends with it."""
        search = asyncio.create_task(self._find())
        try:
            yield search
        finally:
            await openvpn_trial.cancel(search)
            if search.cancelled():
                await self._withdraw()

    async def _alert(self, probe: liveness.Liveness) -> None:
        """Ask gateways while an answer is late; note when the tunnel is proven. Never returns."""
        await probe.first_answer()
        self._remotes = remotes.advance(self._remotes, remotes.Proven())
        while True:
            await probe.becomes(Verdict.LATE, Verdict.DOUBTFUL, Verdict.LOST)
            self._asked = self._context.clock.monotonic()
            self._gateways.ask()
            await probe.becomes(Verdict.ALIVE)
            self._gateways.rest()

    async def _mourn(self, probe: liveness.Liveness) -> None:
        """Say so when the silence is long; return then if nothing can be tried beside this way."""
        await probe.becomes(Verdict.LOST)
        self._enter(TunnelState.CONNECTING)
        if self.spec.spare is not None:
            await asyncio.Event().wait()

    async def _due(self) -> None:
        """Return when a tunnel on TCP should look for UDP."""
        began = self._context.clock.monotonic()
        while True:
            answering = self._answering(gateway_echo.SILENT)
            if answering and not self._heard:
                self._remotes = remotes.advance(self._remotes, remotes.Answering())
            self._heard = bool(answering)
            after = remotes.look_after(self._remotes, answering)
            if after is None or self.spec.spare is None:
                await asyncio.Event().wait()
            elif self._context.clock.monotonic() - began >= after:
                return
            await asyncio.sleep(1.0)

    async def _free_slot(self, endpoint: int) -> int:
        """A suiting device that no process of ours holds; the one used last, so that no route changes."""
        while True:
            legs = (self._carrier, self._trial, self._former)
            taken = {leg.slot for leg in legs if leg is not None}
            free = [slot for slot in self.spec.suiting(endpoint) if slot not in taken]
            if free:
                return self._slot if self._slot in free else free[0]
            await asyncio.sleep(openvpn_trial.LOOK)

    async def _withdraw(self) -> None:
        """End what is on trial."""
        if self._trial is not None:
            await self._trial.kill()
        self._trial = None

    async def _drain(self, former: Leg) -> None:
        """Let the way before deliver what is under way, then end it."""
        if not isinstance(self.spec.probe, FrameProbe):
            # A bridge sends what it floods over both: there the former ends at once.
            await asyncio.sleep(DRAIN)
        await former.part()
        self._former = None

    async def _give_up(self, carrier: Leg, why: str) -> None:
        """The process in use has to go."""
        reason = carrier.why or why
        await carrier.kill()
        self._carrier = None
        lived = self._context.clock.monotonic() - self._entered
        self._pause = remotes.restart_delay(self._pause, lived=lived)
        self._remotes = remotes.advance(self._remotes, remotes.Ended())
        self._count(reason)
        if self.spec.declined is not None:
            self._context.interrupted(self.spec.tunnel)

    def _use(self, leg: Leg) -> None:
        """From now on this way carries the tunnel."""
        self._carrier, self._trial, self._slot = leg, None, leg.slot
        self._heard = False
        self._remotes = remotes.advance(self._remotes, remotes.Connected(leg.endpoint, leg.took))
        self._store.write(self.spec.name, leg.record(self.spec))
        on_tcp = self._transport(leg) is Transport.TCP
        self._gateways.keep_asking(steadily=on_tcp)
        self._enter(TunnelState.CONNECTED, anew=True)

    def _fail(self, endpoint: int) -> None:
        self._remotes = remotes.advance(self._remotes, remotes.Failed(endpoint))

    def _explain(self, why: str) -> None:
        """Note why an attempt failed, if that matters: beside a working tunnel it does not."""
        if self._carrier is None:
            self.status.last_error = impairment.dated(why, self._context.clock.now())

    def _count(self, why: str | None) -> None:
        self.status.restarts += 1
        self.status.last_error = impairment.dated(why, self._context.clock.now())
        _log.info("tunnel_retry", process=self.spec.name, reason=why)

    def _transport(self, leg: Leg) -> Transport:
        return self.spec.endpoints[leg.endpoint].transport

    def _answering(self, seconds: float) -> frozenset[int]:
        """Endpoints over UDP whose gateways answer, and take first packets of ours."""
        return self._gateways.answering(self._context.clock.monotonic() - seconds) - self._apart().keys()

    def _apart(self) -> dict[int, float]:
        return self._gateways.apart(self._context.clock.now().timestamp())

    def _impairment(self) -> str | None:
        if self.status.state is not TunnelState.CONNECTED or self._carrier is None:
            lasted = self._context.clock.monotonic() - self._entered
            return impairment.disconnected(self.status.since, lasted, self.status.last_error)
        if self._transport(self._carrier) is Transport.UDP:
            return None
        answering = self._gateways.answering(self._context.clock.monotonic() - gateway_echo.SILENT)
        return impairment.on_tcp(self.spec.endpoints, answering, self._no_udp, self._apart())

    def _enter(self, state: TunnelState, *, anew: bool = False) -> None:
        """Report this state and the way in use, when either is new."""
        endpoint = self.spec.endpoints[self._carrier.endpoint] if self._carrier is not None else None
        connected = state is TunnelState.CONNECTED and endpoint is not None
        transport = endpoint.transport if connected and endpoint is not None else None
        remote = impairment.place(endpoint) if connected and endpoint is not None else None
        status = self.status
        if (status.state, status.transport, status.remote) == (state, transport, remote) and not anew:
            return
        if status.transport is Transport.UDP and transport is not Transport.UDP:
            self._no_udp = self._context.clock.now()
        status.state, status.transport, status.remote = state, transport, remote
        status.since, self._entered = self._context.clock.now(), self._context.clock.monotonic()
        self._context.changed(f"{self.spec.name} {state.value}")
        _log.info("tunnel_state", process=self.spec.name, state=state.value, remote=remote)
