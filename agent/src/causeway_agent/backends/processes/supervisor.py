"""Supervised processes and tasks: started, kept alive, adopted after a restart of the agent, reported.

The data plane outlives the agent: leaving the supervisor leaves OpenVPN and HAProxy running, and the next
supervisor finds them by its records. Tasks inside the agent (the first-packet filter, the neighbour
responder) end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import structlog
from msgspec import structs

from causeway_agent.backends.filter import runner
from causeway_agent.backends.gateway import first_packet
from causeway_agent.backends.host import task_unit
from causeway_agent.backends.processes import declined_tunnels, openvpn, path_probe, records, spawn, strays
from causeway_agent.backends.processes.openvpn_client import ClientUnit
from causeway_agent.backends.processes.openvpn_server import ServerUnit
from causeway_agent.backends.processes.tls_proxy import ProxyUnit
from causeway_agent.backends.processes.tunnel_paths import TunnelPaths
from causeway_agent.backends.processes.tunnel_servers import TunnelServers
from causeway_agent.backends.segment import loop_guard, router_advertiser
from causeway_agent.engine.ports import Clock
from causeway_agent.errors import BackendError
from causeway_agent.plan.model import offload
from causeway_agent.plan.model.path_size import PathSize
from causeway_agent.plan.model.processes import (
    FirstPacketFilter,
    LoopGuard,
    NeighbourResponder,
    PathProbe,
    Process,
    RouterAdvertiser,
    TlsProxy,
    VpnClient,
    VpnServer,
)
from causeway_wire.observed import Carrier, Transport, TunnelReport
from causeway_wire.types import TunnelId

_EVENTS_KEPT = 256

_log = structlog.get_logger()

Responder = Callable[[NeighbourResponder, task_unit.Ready], Coroutine[Any, Any, None]]
"""Answers until cancelled (see `task_unit.Body`)."""
ExternalUnit = ServerUnit | ClientUnit | ProxyUnit


class Unit(Protocol):
    """Something supervised. `run` keeps it alive; `stop` and `release` expect that `run` was cancelled."""

    async def run(self) -> None:
        """Keep it alive; cancelling leaves processes as they are."""

    async def ready(self) -> None:
        """Return when it works; raises BackendError when it failed instead."""

    async def stop(self) -> None:
        """End it."""

    def release(self) -> None:
        """Let go of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Running:
    spec: Process
    unit: Unit
    task: asyncio.Task[None]


class Supervisor:
    """Implements `engine.ports.Processes`. An async context manager: entering adopts, leaving lets go."""

    def __init__(
        self,
        *,
        run_directory: Path,
        key_directory: Path,
        user: str | None,
        clock: Clock,
        nft: runner.NftRunner,
        responder: Responder,
        discard: Callable[[str], Awaitable[None]],
        no_offload: str | None,
    ) -> None:
        self._door = first_packet.Memory()
        self.admissions = self._door.counters
        """What the gateway's UDP door did, for metrics."""
        self._context = openvpn.Context(
            run_directory=run_directory,
            key_directory=key_directory,
            account=spawn.unprivileged_account(user),
            clock=clock,
            changed=self._tell,
            discard=discard,
            declined=self._decline,
            interrupted=self._interrupted,
        )
        self._no_offload = no_offload
        self._declined = declined_tunnels.DeclinedTunnels(clock)
        self._store = records.Records(run_directory / "records")
        self._nft = nft
        self._responder = responder
        self._tasks = asyncio.TaskGroup()
        self._running: dict[str, _Running] = {}
        self._guards: dict[TunnelId, loop_guard.Watch] = {}
        self._tunnel_servers: dict[TunnelId, TunnelServers] = {}
        self._paths = TunnelPaths(clock, self._connected, self._tell)
        self._locks: dict[str, asyncio.Lock] = {}
        """Starting and stopping, one after the other for each name."""
        self._listeners: set[asyncio.Queue[str]] = set()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(spawn.prepare_root, self._context.run_directory, self._context.account)
        await self._tasks.__aenter__()
        entries = (await asyncio.to_thread(self._store.read)).values()
        recorded = {one.pid for entry in entries for one in (entry.process, *entry.lingering)}
        await strays.end(self._context.run_directory, recorded)
        for entry in entries:
            await self._adopt(entry)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for running in self._running.values():
            await _cancel(running.task)
            running.unit.release()
        self._running.clear()
        self._servers()
        await self._tasks.__aexit__(kind, error, trace)

    async def start(self, process: Process) -> None:
        """Start it, replacing one of the same name; returns when it runs (a server: when it listens)."""
        async with self._turn(process.name):
            previous = self._running.get(process.name)
            if previous is not None and previous.spec == process:
                return
            if (
                isinstance(process, TlsProxy)
                and previous is not None
                and isinstance(previous.unit, ProxyUnit)
            ):
                await self._succeed(process, previous, previous.unit)
                return
            await self._remove(process.name)
            self._supervise(process, self._unit(process))
            try:
                await self._running[process.name].unit.ready()
            except BackendError:
                await self._remove(process.name)
                raise

    async def stop(self, process: Process) -> None:
        """Stop it; returns when it is gone."""
        async with self._turn(process.name):
            await self._remove(process.name)
            if isinstance(process, VpnServer | VpnClient) and process.declined is not None:
                self._declined.ended(process.tunnel)

    async def stop_all(self) -> None:
        """End everything: an orderly end of the appliance's data plane."""
        for name in tuple(self._running):
            async with self._turn(name):
                await self._remove(name)

    def _turn(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def running(self) -> frozenset[Process]:
        """What is supervised now, restarts in progress included."""
        return frozenset(running.spec for running in self._running.values())

    def tunnels(self) -> tuple[TunnelReport, ...]:
        """The state of every tunnel end; the servers of a tunnel make one report."""
        units = [running.unit for running in self._running.values()]
        reports = [servers.report() for servers in self._servers().values()]
        reports += [unit.report() for unit in units if isinstance(unit, ClientUnit)]
        return tuple(sorted(map(self._guarded, reports), key=lambda report: report.id))

    def _guarded(self, report: TunnelReport) -> TunnelReport:
        """The report, with what the tunnel's loop guard says if that runs."""
        running = any(
            isinstance(one.spec, LoopGuard) and one.spec.tunnel == report.id for one in self._running.values()
        )
        why = self._guards[report.id].problem if running else None
        path, (carrier, why_not) = self._paths.report(report.id), self._carrier(report)
        report = structs.replace(report, path=path, carrier=carrier, no_offload=why_not)
        return report if why is None else structs.replace(report, last_error=why)

    def _carrier(self, report: TunnelReport) -> tuple[Carrier | None, str | None]:
        """Who carries a connected tunnel's packets, and why not the kernel."""
        if report.transport is None:
            return None, None
        for one in self._running.values():
            ours = one.spec if isinstance(one.spec, VpnServer | VpnClient) else None
            if ours is not None and ours.tunnel == report.id and offload.carried(ours, report.transport):
                return Carrier.KERNEL, None
        declined = self._declined.reason(report.id)
        return Carrier.PROCESS, offload.why_not(self._no_offload, report.transport, declined)

    def declined(self) -> Mapping[TunnelId, str]:
        """Why OpenVPN would not leave these tunnels' packets to the kernel when it was asked last."""
        return self._declined.reasons()

    def _decline(self, tunnel: TunnelId, why: str) -> None:
        _log.warning("offload_declined", tunnel=tunnel, reason=why)
        self._declined.note(tunnel, why)
        self._tell(f"{tunnel} is not carried by the kernel")

    def _interrupted(self, tunnel: TunnelId) -> None:
        if self._declined.interrupted(tunnel):
            self._tell(f"{tunnel} may be carried by the kernel")

    def lost(self, devices: Iterable[str]) -> None:
        """Begin those anew that go on without these devices, which they had the kernel make."""
        gone = frozenset(device for device in devices if not openvpn.there(device))
        for one in self._running.values():
            if isinstance(one.unit, ServerUnit | ClientUnit):
                one.unit.lost(gone)

    def active(self) -> Mapping[TunnelId, str]:
        """The device that carries each tunnel now."""
        clients = (one.unit for one in self._running.values() if isinstance(one.unit, ClientUnit))
        servers = {tunnel: group.device for tunnel, group in self._servers().items()}
        return {
            **{unit.spec.tunnel: unit.device for unit in clients},
            **{tunnel: device for tunnel, device in servers.items() if device is not None},
        }

    def servers(self) -> list[ServerUnit]:
        """Those of all tunnels."""
        return [one.unit for one in self._running.values() if isinstance(one.unit, ServerUnit)]

    def _servers(self) -> Mapping[TunnelId, TunnelServers]:
        """The servers of each tunnel as they are now."""
        groups: dict[TunnelId, list[ServerUnit]] = {}
        for unit in self.servers():
            groups.setdefault(unit.spec.tunnel, []).append(unit)
        for gone in self._tunnel_servers.keys() - groups.keys():
            self._tunnel_servers.pop(gone).close()
        for tunnel, units in groups.items():
            made = TunnelServers(self._tell, self._context.clock.monotonic)
            self._tunnel_servers.setdefault(tunnel, made).update(units)
        return self._tunnel_servers

    def paths(self) -> Mapping[TunnelId, PathSize]:
        """What size each tunnel's path carries, where that is known and not the full size."""
        return self._paths.sizes()

    def _connected(self, tunnel: TunnelId) -> path_probe.Link | None:
        """What carries the tunnel now."""
        client = self._running.get(f"vpn-{tunnel}")
        if client is not None and isinstance(client.unit, ClientUnit):
            return path_probe.Link.of(client.unit.status, client.unit.device)
        servers = self._tunnel_servers.get(tunnel)
        for running in (self._running.get(f"vpn-{tunnel}-{one.value}") for one in Transport):
            if running is not None and isinstance(running.unit, ServerUnit) and servers is not None:
                unit = running.unit
                if unit.spec.device == servers.device:
                    return path_probe.Link.of(unit.status, unit.spec.device)
        return None

    def first_packets(self) -> Mapping[str, int]:
        """How many first packets were `admitted`, flows `rebound`, or packets refused by reason."""
        done = {"admitted": self.admissions.admitted, "rebound": self.admissions.rebound}
        return {**done, **self.admissions.refused}

    async def events(self) -> AsyncIterator[str]:
        """A short reason each time a tunnel changes state."""
        queue: asyncio.Queue[str] = asyncio.Queue(_EVENTS_KEPT)
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def _tell(self, reason: str) -> None:
        self._servers()
        self._paths.relink()
        for queue in self._listeners:
            with contextlib.suppress(asyncio.QueueFull):  # reasons only say "look again": one is enough
                queue.put_nowait(reason)

    def _unit(self, process: Process) -> Unit:
        match process:
            case FirstPacketFilter():
                body = first_packet.door(process, self._context.clock, self._door)
                return task_unit.TaskUnit(process, body)
            case NeighbourResponder():
                return task_unit.TaskUnit(process, lambda ready: self._responder(process, ready))
            case RouterAdvertiser():
                return task_unit.TaskUnit(
                    process,
                    lambda ready: router_advertiser.advertise(process, ready),
                    farewell=lambda: router_advertiser.take_leave(process),
                )
            case PathProbe():
                return task_unit.TaskUnit(process, self._paths.watch(process).run)
            case LoopGuard():
                watch = loop_guard.Watch(process, self._nft, self._tell)
                self._guards[process.tunnel] = watch
                return task_unit.TaskUnit(process, watch.run)
            case _:
                return self._external(process)

    def _external(self, process: records.External) -> ExternalUnit:
        match process:
            case VpnServer():
                return ServerUnit(process, self._context, self._store)
            case VpnClient():
                return ClientUnit(process, self._context, self._store)
            case TlsProxy():
                return ProxyUnit(process, self._context, self._store)

    async def _adopt(self, entry: records.Record) -> None:
        """Go on supervising a recorded process; one that cannot be taken over is ended."""
        unit = self._external(entry.specified())
        try:
            adopted = unit.adopt(entry)
        except BackendError as error:
            adopted = False
            _log.warning("process_not_adopted", process=unit.spec.name, reason=error.reason)
        if adopted:
            self._supervise(unit.spec, unit)
            if isinstance(unit.spec, VpnServer | VpnClient) and unit.spec.declined is not None:
                self._declined.note(unit.spec.tunnel, unit.spec.declined)
            _log.info("process_adopted", process=unit.spec.name, pid=entry.process.pid)
            if isinstance(unit, ServerUnit | ClientUnit):
                # Its device may have gone while nobody looked; nobody is told a second time.
                self.lost({unit.device if isinstance(unit, ClientUnit) else unit.spec.device})
            return
        for old in (entry.process, *entry.lingering):
            child = spawn.adopt(old.pid, old.start_time)
            if child is not None:
                await child.terminate()
        self._store.delete(unit.spec.name)

    async def _succeed(self, process: TlsProxy, previous: _Running, old: ProxyUnit) -> None:
        """Start a proxy beside the one it replaces, which finishes its connections; on failure all stays."""
        unit = ProxyUnit(process, self._context, self._store, beside=old.children)
        self._supervise(process, unit)
        try:
            await unit.ready()
        except BackendError:
            await _cancel(self._running[process.name].task)
            await unit.abandon()
            self._running[process.name] = previous
            old.remember()
            raise
        await _cancel(previous.task)
        unit.inherit()

    def _supervise(self, process: Process, unit: Unit) -> None:
        task = self._tasks.create_task(unit.run(), name=process.name)
        self._running[process.name] = _Running(process, unit, task)

    async def _remove(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is not None:
            await _cancel(running.task)
            await running.unit.stop()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
