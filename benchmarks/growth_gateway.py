"""A gateway that grows: one tenant to a thousand, two tunnels each, on a working appliance.

Seconds to apply its document and one with another tenant, microseconds for a first packet, and what the API
takes while forged first packets come in.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from msgspec import structs

from benchmarks import world
from causeway_agent.backends.gateway.known_keys import KnownKeys, Seen
from causeway_agent.plan.model.processes import FirstPacketFilter
from causeway_controller.trust import pki, tls_crypt
from causeway_lab.assembly.lab import Lab
from causeway_lab.world import topology
from causeway_wire.desired import Desired, GatewayRole, GatewayTenant, GatewayTunnel
from tests.first_packets import Client
from tests.kernel.test_forged_first_packets import FLOOD

SIZES = (1, 10, 100, 1000)
RATE = 400
_GATEWAY = "gateway1"
_PACKETS = 300
_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One size."""

    tenants: int
    apply_seconds: float
    one_more_seconds: float
    first_packet_us: float
    """Of a key that was not seen before: the dearest kind of genuine packet."""
    copied_tag_us: float
    """A key's tag, forged content."""
    stranger_us: float
    """In the agent; the kernel lets none through."""
    api_quiet_ms: float
    api_flooded_ms: float


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant of the gateway, and the holders of its tunnels' keys."""

    described: GatewayTenant
    tunnels: tuple[GatewayTunnel, ...]
    clients: tuple[Client, ...]


def make_tenant(number: int) -> Tenant:
    """A tenant with two tunnels."""
    name = f"tenant-{number}"
    key = tls_crypt.make_server_key()
    clients = tuple(Client.of(key, name, f"net{index}") for index in range(2))
    tunnels = tuple(
        GatewayTunnel(
            tenant=name,
            tunnel=f"net{index}",
            server=ipaddress.ip_address(f"10.{128 + (number >> 8)}.{number & 255}.2"),
            port=1195 + 2 * index,
            client_name=f"{name}-net{index}",
            tls_crypt_tags=(client.tag,),
        )
        for index, client in enumerate(clients)
    )
    authority = pki.make_vpn_authority(name, now=datetime.now(UTC)).pem
    return Tenant(GatewayTenant(id=name, tls_crypt=key, ca=authority), tunnels, clients)


async def measure() -> list[Row]:
    """Measure every size; prints and returns the rows."""
    tenants = [make_tenant(number) for number in range(max(SIZES) + 1)]
    rows = []
    async with world.lab(topology.build(tenants=1, networks=1, gateways=1)) as lab:
        for size in SIZES:
            rows.append(await _row(lab, tenants, size))
            print(json.dumps(asdict(rows[-1])), flush=True)
    return rows


async def _row(lab: Lab, tenants: list[Tenant], size: int) -> Row:
    applied = await _apply(lab, tenants[:size])
    more = await _apply(lab, tenants[: size + 1])
    quiet = await _api_ms(lab)
    now = int(time.time())
    with _flooded([Client.of(tls_crypt.make_server_key(), "x", "y").packet(now) for _ in range(100)]):
        flooded = await _api_ms(lab)
    first, copied, stranger = _costs(tenants[:size], now)
    return Row(
        tenants=size,
        apply_seconds=applied,
        one_more_seconds=more,
        first_packet_us=first,
        copied_tag_us=copied,
        stranger_us=stranger,
        api_quiet_ms=quiet,
        api_flooded_ms=flooded,
    )


async def _apply(lab: Lab, tenants: list[Tenant]) -> float:
    def grown(document: Desired) -> Desired:
        role = document.role
        assert isinstance(role, GatewayRole)  # noqa: S101 - it is the gateway's
        more = structs.replace(
            role,
            tenants=(*role.tenants, *(tenant.described for tenant in tenants)),
            tunnels=(*role.tunnels, *(tunnel for tenant in tenants for tunnel in tenant.tunnels)),
        )
        return structs.replace(document, role=more)

    began = time.monotonic()
    await lab.put(_GATEWAY, grown)
    return time.monotonic() - began


async def _api_ms(lab: Lab) -> float:
    """Median of a request's milliseconds."""
    taken = []
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        began = time.monotonic()
        await lab.agent(_GATEWAY).live()
        taken.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    return statistics.median(taken) * 1e3


@contextmanager
def _flooded(payloads: list[bytes]) -> Iterator[None]:
    command = ("ip", "netns", "exec", topology.INTERNET_HOST, sys.executable, "-c", FLOOD)
    told = ["203.0.113.10", None, [one.hex() for one in payloads], RATE, 4 * _SECONDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as flood:
        try:
            if flood.stdin is not None:
                json.dump(told, flood.stdin)
                flood.stdin.close()
            yield
        finally:
            flood.kill()


def _costs(tenants: list[Tenant], now: int) -> tuple[float, float, float]:
    """Processor time of one packet in the filter, microseconds: genuine, copied, a stranger's."""
    spec = FirstPacketFilter(
        addresses=(),
        port=6180,
        inside="eth1",
        keys=tuple((tenant.described.id, tenant.described.tls_crypt) for tenant in tenants),
        servers=tuple((t.tenant, t.tunnel, t.server, t.port) for tenant in tenants for t in tenant.tunnels),
        tags=tuple((t.tls_crypt_tags[0], t.tenant, t.tunnel) for tenant in tenants for t in tenant.tunnels),
    )
    clients = [client for tenant in tenants for client in tenant.clients][:_PACKETS]
    stranger = Client.of(tls_crypt.make_server_key(), "x", "y")
    kinds = (
        [client.packet(now) for client in clients],
        [client.with_copied_tag(now) for client in clients],
        [stranger.packet(now) for _ in clients],
    )
    return tuple(_cost(spec, packets, now) for packets in kinds)  # type: ignore[return-value]


def _cost(spec: FirstPacketFilter, packets: list[bytes], now: int) -> float:
    rounds = max(_PACKETS // len(packets), 1)
    spent = 0.0
    for _ in range(rounds):
        keys, seen = KnownKeys(spec), Seen()
        began = time.process_time()
        for packet in packets:
            keys.judge(packet, now, 0.0, seen)
        spent += time.process_time() - began
    return spent / (rounds * len(packets)) * 1e6


if __name__ == "__main__":
    asyncio.run(measure())
