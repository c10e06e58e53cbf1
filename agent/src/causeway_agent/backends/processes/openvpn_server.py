"""The provider's end of a tunnel: one OpenVPN server process per network and transport, kept alive."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection

import structlog
from msgspec import structs

from causeway_agent.backends.processes import offload_declined, openvpn, records, spawn
from causeway_agent.backends.processes import openvpn_management as management
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import VpnServer
from causeway_agent.plan.steer import impairment, remotes
from causeway_wire.observed import TunnelState

START_DEADLINE = 30.0
"""Seconds a server gets to listen."""

ANSWER_DEADLINE = 0.3
"""Seconds it gets to say how much it has written."""

_NEW_PEER = "Peer Connection Initiated"
_PEER_GONE = "client-instance"

_log = structlog.get_logger()


class ServerUnit:
    """Runs one server and starts it again whenever it ends."""

    def __init__(self, spec: VpnServer, context: openvpn.Context, store: records.Records) -> None:
        self.spec = spec
        self.status = openvpn.Status(tunnel=spec.tunnel)
        self.recency: tuple[int, float] = (0, 0.0)
        """Orders the connections of a tunnel's servers by age."""
        self._context = context
        self._store = store
        self._directory = context.run_directory / spec.name
        self._child: spawn.Child | None = None
        self._entry: records.Record | None = None
        self._settled = asyncio.Event()
        self._announced = False
        self._unproven = False
        """Whether it is still to be seen that the process leaves packets to the kernel, as it is meant to."""
        self._declined: str | None = None
        """Why it does not."""
        self._management: management.Connection | None = None
        self._asked: set[asyncio.Future[int]] = set()
        """Who waits to hear how much it has written."""

    def adopt(self, entry: records.Record) -> bool:
        """Take over the recorded process if it still runs with the configuration it would get now."""
        text = openvpn.complete(self.spec.configuration, self._context.key_directory)
        if self._digest(text) == entry.digest:
            self._child = spawn.adopt(entry.process.pid, entry.process.start_time)
            self._entry, self._unproven = entry, self.spec.makes_device and not entry.carried
        return self._child is not None

    async def ready(self) -> None:
        """Return when the server listens; raises BackendError when it ended or took too long instead."""
        try:
            async with asyncio.timeout(START_DEADLINE):
                await self._settled.wait()
        except TimeoutError:
            raise BackendError(f"start {self.spec.name}", "it does not listen") from None
        if self.status.state is TunnelState.STOPPED:
            raise BackendError(f"start {self.spec.name}", self.status.last_error or "it ended")

    async def run(self) -> None:
        """Keep the server running until cancelled, which leaves the process alone."""
        delay = 0.0
        while True:
            began = self._context.clock.monotonic()
            try:
                child = self._child or await self._launch()
                await self._attend(child)
                self._blame(await asyncio.to_thread(openvpn.ending, child, self._directory))
            except (BackendError, OSError) as error:
                self._blame(openvpn.explain(error))
            if self._unproven:
                self._declined = await asyncio.to_thread(offload_declined.once_ended, self._directory)
            await self._discard()
            if self._declined is not None:
                await self._give_way(self._declined)
            self._down()
            if self.spec.declined is not None:
                self._context.interrupted(self.spec.tunnel)
            delay = remotes.restart_delay(delay, lived=self._context.clock.monotonic() - began)
            await asyncio.sleep(delay)
            self.status.restarts += 1

    async def _give_way(self, why: str) -> None:
        """Not start it again as it is: whoever hears why puts another one in its place."""
        self._blame(why)
        self._down(TunnelState.CONNECTING)
        self._settled.set()
        self._context.declined(self.spec.tunnel, why)
        await asyncio.Event().wait()

    async def _discard(self) -> None:
        """Let go of the process, which has ended unless something failed right after its start."""
        if self._child is not None:
            await self._child.kill()
        self._child = None

    async def stop(self) -> None:
        """End the process; `run` must have been cancelled."""
        if self._child is not None:
            await self._child.terminate()
        self._store.delete(self.spec.name)

    def release(self) -> None:
        """Leave the process running."""
        if self._child is not None:
            self._child.release()

    async def _launch(self) -> spawn.Child:
        text = await asyncio.to_thread(self._prepare)
        made = self.spec.device if self.spec.makes_device else None
        self._unproven = made is not None
        self._child = child = await openvpn.launch(self._directory, self._context, made=made)
        process = records.Identity(pid=child.pid, start_time=child.started)
        self._entry = records.record(self.spec, process=process, digest=self._digest(text))
        self._store.write(self.spec.name, self._entry)
        _log.info("process_started", process=self.spec.name, pid=child.pid)
        return child

    def _digest(self, text: str) -> str:
        return records.digest(text, *(part for file in self.spec.files for part in file))

    def _prepare(self) -> str:
        return openvpn.prepare(self.spec.configuration, self._directory, self._context, files=self.spec.files)

    async def _attend(self, child: spawn.Child) -> None:
        async with asyncio.TaskGroup() as group:
            follower = group.create_task(openvpn.follow(self._directory, self._handle))
            await child.wait()
            self._management = None
            follower.cancel()

    async def written(self) -> int | None:
        """Return how many octets it has sent outside, by its own word; None when it says nothing."""
        if self._management is None:
            return None
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.add(asked)
        self._management.command("status 3")
        try:
            async with asyncio.timeout(ANSWER_DEADLINE):
                return await asked
        except TimeoutError:
            return None
        finally:
            self._asked.discard(asked)

    def _say(self, written: int) -> None:
        for asked in self._asked:
            if not asked.done():
                asked.set_result(written)

    def _handle(self, event: management.Event, connection: management.Connection) -> None:
        self._management = connection
        match event:
            case management.StateChanged(state="CONNECTED") if not self._declines():
                if self.status.state is TunnelState.STOPPED:
                    self.status.state = TunnelState.CONNECTING
                    self._settled.set()
            case management.StateChanged(state="RECONNECTING") if self.spec.makes_device:
                self._begin_anew()
            case management.LogLine(text=text):
                if openvpn.reason(text) is not None:
                    self._blame(openvpn.latest(self.status.last_error, text))
                self._announced = self._announced or _NEW_PEER in text
                if _NEW_PEER in text or _PEER_GONE in text:
                    connection.command("status 3")
            case management.PeersListed(peers=peers):
                self._say(sum(peer.sent for peer in peers))
                self._peers(peers)
            case _:
                pass

    def lost(self, devices: Collection[str]) -> None:
        """Begin anew when the device that its process had made is among these: OpenVPN goes on without."""
        if self.spec.makes_device and self.spec.device in devices and not self._unproven:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """End a process that restarts inside itself: it goes on with the device that it had, which may be
        gone with the kernel's module, and then does the same for ever.
        """
        if self._child is not None:
            self._child.send(signal.SIGKILL)

    def _declines(self) -> bool:
        """Whether the process, which listens, carries packets itself that were meant for the kernel; it is
        ended then.
        """
        if self._unproven and self._child is not None:
            self._unproven = False
            self._declined = offload_declined.once_up(self._directory, self.spec.device)
            if self._declined is not None:
                self._child.send(signal.SIGKILL)
            elif self._entry is not None:
                # The next agent cannot read it again: what is told at the start does not stay for ever.
                self._store.write(self.spec.name, structs.replace(self._entry, carried=True))
        return self._declined is not None

    def _peers(self, peers: tuple[management.PeerRow, ...]) -> None:
        if not peers:
            if self.status.state is TunnelState.CONNECTED:
                self._down(TunnelState.CONNECTING)
            return
        peer = max(peers, key=lambda row: row.connected_since)
        self.status.received, self.status.sent = peer.received, peer.sent
        connected = self.status.state is TunnelState.CONNECTED
        if connected and self.status.remote == peer.remote and not self._announced:
            return
        monotonic = self._context.clock.monotonic()
        self.recency = (1, monotonic) if self._announced else (0, float(peer.connected_since))
        self._announced = False
        self.status.state = TunnelState.CONNECTED
        self.status.transport = self.spec.transport
        self.status.remote = peer.remote
        self.status.since = self._context.clock.now()
        self._context.changed(f"{self.spec.name} connected")

    def _blame(self, error: str | None) -> None:
        clock = self._context.clock
        self.status.blame(impairment.dated(error, clock.now()), clock.monotonic())

    def _down(self, state: TunnelState = TunnelState.STOPPED) -> None:
        was = self.status.state
        self.status.state = state
        self.status.transport = self.status.remote = None
        if was is not state:
            self.status.since = self._context.clock.now()
            self._context.changed(f"{self.spec.name} {state.value}")
        if state is TunnelState.STOPPED:
            self._settled.set()
            _log.warning("process_ended", process=self.spec.name, reason=self.status.last_error)
