"""The gateway's UDP door: many tenants on one port, each flow admitted by its genuine first packet.

The kernel hands packets of unknown flows to a socket here. A first packet that verifies makes its flow
known to nftables and is put back into the kernel, which carries the flow from then on without us. Anything
else meets silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from causeway_agent.backends import injection, wrapped_key
from causeway_agent.backends.task_unit import Body, Ready
from causeway_agent.engine.ports import Clock
from causeway_agent.errors import BackendError
from causeway_agent.plan.processes import FirstPacketFilter
from causeway_wire.types import IPAddress, TenantId, TunnelId

WINDOW = 300.0
"""Seconds by which the sender's clock may differ from ours."""
BURST = 20
"""Packets one source address may send at once..."""
RATE = 5.0
"""...and per second after that, refused ones included."""

FLOWS = 8
"""Flows a tunnel may have at once. More than one, so that a first packet copied from another gateway's wire
cannot displace the tunnel; not many, so that no tenant can fill the map. Silent ones time out in the kernel.
"""

_REMEMBERED = 65536
_SOURCES = 16384
_BATCH = 64
_QUEUE = 1024
_RECEIVE_BUFFER = 1 << 20

_log = structlog.get_logger()

Source = tuple[IPAddress, int]


class NftRunner(Protocol):
    """Runs nft commands in one transaction; raises BackendError when nft refuses them."""

    async def run(self, text: str) -> str:
        """What nft printed."""


@dataclass(slots=True)
class Counters:
    """What the door did since it was opened."""

    admitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason."""


@dataclass(frozen=True, slots=True)
class _Admission:
    packet: bytes
    source: Source
    destination: Source
    tunnel: tuple[TenantId, TunnelId]
    server: Source


class Buckets:
    """A token bucket per source address, for a bounded number of sources."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, source: str, now: float) -> bool:
        """Whether this source may send another packet now (monotonic seconds)."""
        level, since = self._levels.pop(source, (float(BURST), now))
        level = min(float(BURST), level + (now - since) * RATE)
        allowed = level >= 1.0
        self._levels[source] = (level - 1.0 if allowed else level, now)
        if len(self._levels) > _SOURCES:
            self._levels.popitem(last=False)
        return allowed


class Seen:
    """Tags of the genuine packets of the last `WINDOW`, so that none counts twice."""

    def __init__(self) -> None:
        self._tags: OrderedDict[bytes, float] = OrderedDict()

    def add(self, tag: bytes, now: float) -> bool:
        """Remember a tag; False when it is known already."""
        while self._tags and (next(iter(self._tags.values())) < now or len(self._tags) >= _REMEMBERED):
            self._tags.popitem(last=False)
        if tag in self._tags:
            return False
        # The sender's clock may run ahead by WINDOW, so its packet stays fresh for twice that.
        self._tags[tag] = now + 2 * WINDOW
        return True


class Door:
    """One running filter."""

    def __init__(self, spec: FirstPacketFilter, nft: NftRunner, clock: Clock, counters: Counters) -> None:
        self.counters = counters
        self._spec = spec
        self._nft = nft
        self._clock = clock
        self._keys = {tenant: wrapped_key.server_key(tenant, pem.reveal()) for tenant, pem in spec.keys}
        self._servers = {
            (tenant, tunnel, ip.version): (ip, port) for tenant, tunnel, ip, port in spec.servers
        }
        self._buckets = Buckets()
        self._seen = Seen()
        self._last_tenant: OrderedDict[str, TenantId] = OrderedDict()
        self._flows: dict[tuple[TenantId, TunnelId], OrderedDict[Source, None]] = {}
        self._queue: asyncio.Queue[_Admission] = asyncio.Queue(_QUEUE)

    async def run(self, ready: Ready) -> None:
        """Serve until cancelled; calls `ready` once the sockets are bound. Raises OSError, BackendError."""
        loop = asyncio.get_running_loop()
        injector = injection.Injector()
        sockets: list[socket.socket] = []
        try:
            for address in self._spec.addresses:
                door = _bind(address, self._spec.port)
                sockets.append(door)
                loop.add_reader(door, self._receive, door, (address, self._spec.port))
            ready()
            while True:
                await self._admit(await self._queue.get(), injector)
        finally:
            for door in sockets:
                loop.remove_reader(door)
                door.close()
            injector.close()

    def _receive(self, door: socket.socket, destination: Source) -> None:
        """Judge what arrived, a bounded number of packets at a time."""
        for _ in range(_BATCH):
            try:
                packet, origin = door.recvfrom(4096)
            except OSError:  # nothing left, or an ICMP error that concerns nobody here
                return
            admission = self._judge(packet, origin[0], origin[1], destination)
            if isinstance(admission, str):
                self.counters.refused[admission] += 1
                continue
            try:
                self._queue.put_nowait(admission)
            except asyncio.QueueFull:
                self.counters.refused["busy"] += 1

    def _judge(self, packet: bytes, host: str, port: int, destination: Source) -> _Admission | str:
        """What to admit, or the reason not to."""
        now = self._clock.monotonic()
        if not self._buckets.take(host, now):
            return "rate"
        found = wrapped_key.verify(packet, self._ordered_keys(host))
        if isinstance(found, wrapped_key.Refusal):
            return found.value
        source = (ipaddress.ip_address(host), port)
        server = self._servers.get((found.tenant, found.tunnel, source[0].version))
        if server is None:
            return "no-such-tunnel"
        if abs(self._clock.now().timestamp() - found.time) > WINDOW:
            return "stale"
        if not self._seen.add(found.tag, now):
            return "replayed"
        self._remember(host, found.tenant)
        return _Admission(packet, source, destination, (found.tenant, found.tunnel), server)

    def _ordered_keys(self, host: str) -> tuple[wrapped_key.ServerKey, ...]:
        """All keys, that of the tenant last seen at this address first."""
        likely = self._keys.get(self._last_tenant.get(host, ""))
        rest = tuple(key for key in self._keys.values() if key is not likely)
        return rest if likely is None else (likely, *rest)

    def _remember(self, host: str, tenant: TenantId) -> None:
        self._last_tenant[host] = tenant
        self._last_tenant.move_to_end(host)
        if len(self._last_tenant) > _SOURCES:
            self._last_tenant.popitem(last=False)

    async def _admit(self, admission: _Admission, injector: injection.Injector) -> None:
        """Tell nftables about the flow, then let its first packet through."""
        add = admit_text(admission.source, admission.server)
        try:
            try:
                await self._nft.run(add)
            except BackendError:  # this address and port led to another server before
                await self._forget(admission.source)
                await self._nft.run(add)
            injector.inject(admission.packet, admission.source, admission.destination)
        except (BackendError, OSError) as error:
            self.counters.refused["kernel"] += 1
            _log.warning("flow_not_admitted", source=str(admission.source[0]), reason=str(error))
            return
        self.counters.admitted += 1
        tenant, tunnel = admission.tunnel
        _log.info("flow_admitted", tenant=tenant, tunnel=tunnel, source=str(admission.source[0]))
        flows = self._flows.setdefault(admission.tunnel, OrderedDict())
        flows[admission.source] = None
        flows.move_to_end(admission.source)
        if len(flows) > FLOWS:
            oldest, _ = flows.popitem(last=False)
            await self._forget(oldest)

    async def _forget(self, source: Source) -> None:
        """Make a flow unknown; it may have timed out already."""
        with contextlib.suppress(BackendError):
            await self._nft.run(forget_text(source))


def door(spec: FirstPacketFilter, nft: NftRunner, clock: Clock, counters: Counters) -> Body:
    """The filter as a supervised task; raises BackendError in it when a key is none."""

    async def serve(ready: Ready) -> None:
        try:
            opened = Door(spec, nft, clock, counters)
        except ValueError as error:
            raise BackendError("open the first-packet filter", str(error)) from error
        await opened.run(ready)

    return serve


def admit_text(source: Source, server: Source) -> str:
    """nft commands that make a flow known; repeating them is harmless."""
    flow, suffix = _flow(source)
    return (
        f"add element inet causeway flows{suffix} {{ {flow} : {server[0]} . {server[1]} }}\n"
        f"add element inet causeway known{suffix} {{ {flow} }}\n"
    )


def forget_text(source: Source) -> str:
    """nft commands that make a known flow unknown; fail when it is."""
    flow, suffix = _flow(source)
    return (
        f"delete element inet causeway flows{suffix} {{ {flow} }}\n"
        f"delete element inet causeway known{suffix} {{ {flow} }}\n"
    )


def _flow(source: Source) -> tuple[str, str]:
    return f"{source[0]} . {source[1]}", "" if source[0].version == 4 else "6"  # noqa: PLR2004


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
