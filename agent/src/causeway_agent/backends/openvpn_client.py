"""The tenant's end of a tunnel: one OpenVPN client at a time, moved between gateways and transports.

Which endpoint is next is `plan.remotes`' decision. A client whose peer went silent is killed and started
anew: that brings traffic back tens of milliseconds later, while a soft restart (SIGUSR1) sits out
OpenVPN's own reconnection pause of a second.
"""

from __future__ import annotations

import asyncio

import structlog

from causeway_agent.backends import bridge_hosts, liveness, openvpn, records, spawn
from causeway_agent.backends import openvpn_management as management
from causeway_agent.backends.race import race
from causeway_agent.errors import BackendError
from causeway_agent.plan import remotes
from causeway_agent.plan.processes import Endpoint, FrameProbe, VpnClient
from causeway_wire.observed import TunnelState

PROVEN = 3.0
"""Seconds of life after which a connection counts as a working one; one lost sooner counts as failed."""
PARTING = 0.5
"""Seconds to say good-bye: OpenVPN sends its exit notice at once but lingers for seconds."""

_log = structlog.get_logger()


class ClientUnit:
    """Keeps one tunnel connected."""

    def __init__(self, spec: VpnClient, context: openvpn.Context, store: records.Records) -> None:
        self.spec = spec
        self.status = openvpn.Status(tunnel=spec.tunnel)
        self._context = context
        self._store = store
        self._directory = context.run_directory / spec.name
        self._transports = tuple(endpoint.transport for endpoint in spec.endpoints)
        self._remotes = remotes.begin(self._transports)
        self._child: spawn.Child | None = None
        self._started = asyncio.Event()
        self._connected = asyncio.Event()
        self._broken = asyncio.Event()
        self._told: str | None = None

    @property
    def _endpoint(self) -> Endpoint:
        return self.spec.endpoints[remotes.attempt(self._remotes).endpoint]

    def adopt(self, entry: records.Record) -> bool:
        """Take over the recorded process if it still runs with the configuration it would get now."""
        if entry.endpoint >= len(self.spec.endpoints):
            return False
        text = openvpn.complete(
            self.spec.endpoints[entry.endpoint].configuration, self._context.key_directory
        )
        if records.digest(text) == entry.digest:
            self._child = spawn.adopt(entry.process.pid, entry.process.start_time)
        if self._child is not None:
            self._remotes = remotes.begin(self._transports, current=entry.endpoint)
        return self._child is not None

    async def ready(self) -> None:
        """Return when the first process runs; raises BackendError when it could not be started."""
        await self._started.wait()
        if self._child is None:
            raise BackendError(f"start {self.spec.name}", self.status.last_error or "it ended")

    async def run(self) -> None:
        """Keep the tunnel connected until cancelled, which leaves the process alone."""
        pause = 0.0
        while True:
            began = self._context.clock.monotonic()
            attempt = remotes.attempt(self._remotes)
            self._enter(TunnelState.CONNECTING)
            try:
                child = self._child or await self._launch(max(attempt.delay, pause), attempt.endpoint)
                self._started.set()
                event = await self._attend(child, attempt)
                await child.kill()
                self._explain(event, child)
            except (BackendError, OSError) as error:
                event = remotes.ProcessDied()
                self.status.last_error = openvpn.explain(error)
            await self._discard()
            self._started.set()
            died = isinstance(event, remotes.ProcessDied)
            lived = self._context.clock.monotonic() - began
            pause = remotes.restart_delay(pause, lived=lived) if died else 0.0
            self._remotes = remotes.advance(self._remotes, event)
            self.status.restarts += 1
            _log.info("tunnel_retry", process=self.spec.name, reason=self.status.last_error)

    async def _discard(self) -> None:
        """Let go of the process, which has ended unless something failed right after its start."""
        if self._child is not None:
            await self._child.kill()
        self._child = None

    async def stop(self) -> None:
        """End the process; `run` must have been cancelled."""
        if self._child is not None:
            await self._child.terminate(PARTING)
        self._store.delete(self.spec.name)

    def release(self) -> None:
        """Leave the process running."""
        if self._child is not None:
            self._child.release()

    async def _launch(self, delay: float, endpoint: int) -> spawn.Child:
        await asyncio.sleep(delay)
        configuration = self.spec.endpoints[endpoint].configuration
        text = await asyncio.to_thread(openvpn.prepare, configuration, self._directory, self._context)
        self._child = child = spawn.launch(
            openvpn.COMMAND, directory=self._directory, account=self._context.account
        )
        process = records.Identity(pid=child.pid, start_time=child.started)
        entry = records.record(self.spec, process=process, digest=records.digest(text), endpoint=endpoint)
        self._store.write(self.spec.name, entry)
        _log.info("process_started", process=self.spec.name, pid=child.pid, endpoint=endpoint)
        return child

    async def _attend(self, child: spawn.Child, attempt: remotes.Attempt) -> remotes.Event:
        """Watch one process until it has to go; says why."""
        self._connected.clear()
        self._broken.clear()
        self._told = None
        async with asyncio.TaskGroup() as group:
            follower = group.create_task(openvpn.follow(self._directory, self._handle))
            try:
                return await self._judge(child, attempt)
            finally:
                follower.cancel()

    async def _judge(self, child: spawn.Child, attempt: remotes.Attempt) -> remotes.Event:
        began = self._context.clock.monotonic()
        match await race(child.wait(), self._connected.wait(), asyncio.sleep(attempt.deadline)):
            case 0:
                return remotes.ProcessDied()
            case 2:
                return remotes.AttemptFailed()
            case _:
                up = self._context.clock.monotonic()
        self._remotes = remotes.advance(self._remotes, remotes.Connected(up - began))
        self._enter(TunnelState.CONNECTED)
        outcome = await race(child.wait(), self._broken.wait(), self._silence(), self._reconsideration())
        proven = self._context.clock.monotonic() - up >= PROVEN
        lost = remotes.LivenessLost() if proven else remotes.AttemptFailed()
        return (remotes.ProcessDied(), lost, lost, remotes.ReconsiderDue())[outcome]

    async def _silence(self) -> None:
        """Return when the far end is lost; where it cannot be probed, OpenVPN's own ping must do."""
        try:
            if isinstance(self.spec.probe, FrameProbe):
                await bridge_hosts.tell(self.spec.device, self.spec.probe.adapter)
            with liveness.probe(self.spec.device, self.spec.probe) as probe:
                await probe.lost()
        except (OSError, BackendError) as error:
            _log.warning("liveness_unavailable", process=self.spec.name, reason=openvpn.explain(error))
            await asyncio.Event().wait()

    async def _reconsideration(self) -> None:
        after = remotes.reconsider_after(self._remotes)
        if after is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(after)

    def _handle(self, event: management.Event, _: management.Connection) -> None:
        match event:
            case management.StateChanged(state="CONNECTED"):
                self._connected.set()
            case management.StateChanged(state="RECONNECTING" | "EXITING"):
                self._broken.set()
            case management.BytesCounted(received=received, sent=sent):
                self.status.received, self.status.sent = received, sent
            case management.LogLine(text=text):
                self._told = openvpn.latest(self._told, text)
            case _:
                pass

    def _explain(self, event: remotes.Event, child: spawn.Child) -> None:
        match event:
            case remotes.ProcessDied():
                self.status.last_error = self._told or openvpn.ending(child, self._directory)
            case remotes.AttemptFailed():
                self.status.last_error = self._told or "no answer"
            case remotes.LivenessLost():
                self.status.last_error = self._told or "the far end went silent"
            case remotes.ReconsiderDue() | remotes.Connected():
                pass

    def _enter(self, state: TunnelState) -> None:
        if self.status.state is state:
            return
        connected = state is TunnelState.CONNECTED
        endpoint = self._endpoint
        self.status.state = state
        self.status.since = self._context.clock.now()
        self.status.transport = endpoint.transport if connected else None
        self.status.remote = _place(endpoint) if connected else None
        self._context.changed(f"{self.spec.name} {state.value}")
        _log.info("tunnel_state", process=self.spec.name, state=state.value, remote=self.status.remote)


def _place(endpoint: Endpoint) -> str:
    address = f"[{endpoint.address}]" if endpoint.address.version == 6 else str(endpoint.address)  # noqa: PLR2004
    return f"{address}:{endpoint.port}"
