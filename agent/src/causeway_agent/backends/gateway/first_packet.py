"""The gateway's UDP door: many tenants on one port, each flow admitted by its genuine first packet.

The kernel hands packets of unknown flows to a socket here: first packets whose key it knows by its tag, and
data packets from near an address that has tunnels (`plan.filter.door`). A first packet that verifies makes
its flow known to nftables and is put back into the kernel, which carries the flow from then on without us; a
data packet is shown to the servers it may be for (`rebinding`). Anything else meets silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import structlog

from causeway_agent.backends.gateway import echo_message
from causeway_agent.backends.gateway.echo_answer import EchoAnswer
from causeway_agent.backends.gateway.flow_map import FlowMap, Source
from causeway_agent.backends.gateway.known_keys import KnownKeys, Seen, Tunnel
from causeway_agent.backends.gateway.rebinding import Rebinding
from causeway_agent.backends.gateway.tunnel_flows import TunnelFlows, home
from causeway_agent.backends.host.task_unit import Body, Ready
from causeway_agent.backends.kernel import injection
from causeway_agent.engine.ports import Clock
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import FirstPacketFilter
from causeway_wire.types import IPAddress

SWEEP_SECONDS: Final = 10.0
"""How often flows are looked for that the kernel has forgotten."""

_DATA = 9  # P_DATA_V2 of openvpn/src/openvpn/ssl_pkt.h
_BATCH = 64
_QUEUE = 1024
_RECEIVE_BUFFER = 1 << 20

_log = structlog.get_logger()


@dataclass(slots=True)
class Counters:
    """What the door did since the agent started."""

    admitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason."""
    rebound: int = 0
    """Flows of tunnels that came from another port or address than before."""


@dataclass(slots=True)
class Memory:
    """What outlives a change of the document: counters, and the packets that may not come twice."""

    counters: Counters = field(default_factory=Counters)
    seen: Seen = field(default_factory=Seen)


@dataclass(frozen=True, slots=True)
class _Admission:
    source: Source
    tunnel: Tunnel
    destination: Source
    packet: bytes | None
    """To be put back into the kernel; none when the server has it already."""


class Door:
    """One running filter. Making it raises ValueError when a key is none."""

    def __init__(self, spec: FirstPacketFilter, flows: FlowMap, clock: Clock, memory: Memory) -> None:
        self._spec = spec
        self._map = flows
        self._clock = clock
        self._seen = memory.seen
        self._counters = memory.counters
        self._keys = KnownKeys(spec)
        self._servers: dict[tuple[Tunnel, int], Source] = {
            ((tenant, tunnel), ip.version): (ip, port) for tenant, tunnel, ip, port in spec.servers
        }
        self._echo = EchoAnswer(lambda wrapped: self._keys.hmac(wrapped, self._clock.monotonic()))
        self._flows = TunnelFlows(self._servers)
        self._rebinding = Rebinding(self._flows, self._rebound)
        self._queue: asyncio.Queue[_Admission] = asyncio.Queue(_QUEUE)

    async def run(self, ready: Ready) -> None:
        """Serve until cancelled; calls `ready` once the sockets are bound. Raises OSError."""
        loop = asyncio.get_running_loop()
        injector = injection.Injector()
        sockets: list[socket.socket] = []
        try:
            await self._refresh()
            for address in self._spec.addresses:
                door = _bind(address, self._spec.port)
                sockets.append(door)
                loop.add_reader(door, self._receive, door, (address, self._spec.port))
            ready()
            await self._work(injector)
        finally:
            for door in sockets:
                loop.remove_reader(door)
                door.close()
            self._rebinding.close()
            injector.close()

    async def _work(self, injector: injection.Injector) -> None:
        """Admit what comes; now and then let go of what is gone. One after the other: both change the map."""
        loop = asyncio.get_running_loop()
        due = loop.time() + SWEEP_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(due):
                    admission = await self._queue.get()
            except TimeoutError:
                await self._refresh()
                due = loop.time() + SWEEP_SECONDS
            else:
                await self._admit(admission, injector)

    def _receive(self, door: socket.socket, destination: Source) -> None:
        """Judge what arrived, a bounded number of packets at a time."""
        for _ in range(_BATCH):
            try:
                packet, (host, port, *_) = door.recvfrom(4096)
            except OSError:  # nothing left, or an ICMP error that concerns nobody here
                return
            source = (ipaddress.ip_address(host), port)
            if packet and packet[0] == echo_message.QUESTION:
                refusal = self._reply(packet, (host, port), door)
            elif packet and packet[0] >> 3 == _DATA:
                refusal = self._stray(packet, source, door)
            else:
                refusal = self._knock(packet, source, destination)
            if refusal is not None:
                self._counters.refused[refusal] += 1

    def _reply(self, packet: bytes, origin: tuple[str, int], door: socket.socket) -> str | None:
        """Answer who asks whether the line is good, if it holds a key."""
        answer = self._echo.answer(packet, int(self._clock.now().timestamp()))
        if answer is None:
            return "echo"
        with contextlib.suppress(OSError):  # an answer that cannot be sent is lost, as on any line
            door.sendto(answer, origin)
        return None

    def _stray(self, packet: bytes, source: Source, door: socket.socket) -> str | None:
        try:
            return self._rebinding.receive(packet, source, door, self._clock.monotonic())
        except OSError:
            return "kernel"

    def _rebound(self, source: Source, server: Source) -> None:
        """A server knows the client of this flow."""
        tunnel = self._flows.tunnel(server)
        destination = (self._spec.addresses[0], self._spec.port)
        if (refusal := self._enqueue(_Admission(source, tunnel, destination, None))) is not None:
            self._counters.refused[refusal] += 1

    def _knock(self, packet: bytes, source: Source, destination: Source) -> str | None:
        """Queue what is to be admitted, or say why it is not."""
        time, now = self._clock.now().timestamp(), self._clock.monotonic()
        found = self._keys.judge(packet, time, now, self._seen)
        if isinstance(found, str):
            return found
        tunnel = (found.tenant, found.tunnel)
        if (tunnel, source[0].version) not in self._servers:
            return "no-such-tunnel"
        return self._enqueue(_Admission(source, tunnel, destination, packet))

    def _enqueue(self, admission: _Admission) -> str | None:
        try:
            self._queue.put_nowait(admission)
        except asyncio.QueueFull:
            return "busy"
        return None

    async def _admit(self, admission: _Admission, injector: injection.Injector) -> None:
        """Tell the kernel about the flow, then let its first packet through."""
        source, tunnel = admission.source, admission.tunnel
        server = self._servers[tunnel, source[0].version]
        try:
            await self._map.admit(source, server, home(source[0]))
            if admission.packet is not None:
                injector.inject(admission.packet, source, admission.destination)
        except OSError as error:
            self._counters.refused["kernel"] += 1
            _log.warning("flow_not_admitted", source=str(source[0]), reason=str(error))
            return
        if admission.packet is None:
            self._counters.rebound += 1
        else:
            self._counters.admitted += 1
        event = "flow_rebound" if admission.packet is None else "flow_admitted"
        _log.info(event, tenant=tunnel[0], tunnel=tunnel[1], source=str(source[0]), port=source[1])
        await self._forget(self._flows.add(tunnel, source, self._clock.monotonic()))

    async def _refresh(self) -> None:
        """Let go of flows that the kernel has forgotten; put homes back where somebody emptied our sets."""
        await self._forget(self._flows.refresh(await self._map.carried(), self._clock.monotonic()))
        await self._map.settle(self._flows.homes())

    async def _forget(self, sources: list[Source]) -> None:
        for source in sources:
            with contextlib.suppress(OSError):
                await self._map.forget(source)


def door(spec: FirstPacketFilter, clock: Clock, memory: Memory) -> Body:
    """The filter as a supervised task; raises BackendError in it when a key is none."""

    async def serve(ready: Ready) -> None:
        flows = FlowMap()
        try:
            opened = Door(spec, flows, clock, memory)
            await opened.run(ready)
        except ValueError as error:
            raise BackendError("open the first-packet filter", str(error)) from error
        finally:
            flows.close()

    return serve


def _bind(address: IPAddress, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    door = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        door.bind((str(address), port))
    except OSError:
        door.close()
        raise
    return door
