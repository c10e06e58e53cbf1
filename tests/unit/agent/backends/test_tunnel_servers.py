"""Which of two servers a client uses: what its questions say, and nothing heard from long ago."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from causeway_agent.backends.processes import openvpn, tunnel_servers
from causeway_agent.backends.processes.openvpn_server import ServerUnit
from causeway_agent.backends.processes.tunnel_servers import FRESH, TunnelServers
from causeway_wire.observed import Transport, TunnelState


class Ears:
    """Stands in for the raw sockets."""

    opened = 0

    def __init__(self, devices: Any, carried: Any) -> None:
        self.devices, self.carried = tuple(devices), carried
        Ears.opened += 1

    def close(self) -> None:
        Ears.opened -= 1


def server(transport: Transport) -> ServerUnit:
    status = openvpn.Status(tunnel="acme-0", transport=transport)
    device, name = f"cw{transport.value[0]}1195", f"vpn-acme-0-{transport.value}"
    spec = SimpleNamespace(device=device, name=name, transport=transport, sends_all=True)
    return cast(ServerUnit, SimpleNamespace(spec=spec, status=status, recency=(0, 0.0)))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(tunnel_servers, "Notices", Ears)
    made = SimpleNamespace(now=100.0, told=[], udp=server(Transport.UDP), tcp=server(Transport.TCP))
    made.servers = TunnelServers(made.told.append, lambda: made.now)

    def state(*connected: ServerUnit) -> None:
        for unit in (made.udp, made.tcp):
            unit.status.state = TunnelState.CONNECTED if unit in connected else TunnelState.CONNECTING
        made.servers.update([made.udp, made.tcp])

    made.state = state
    return made


async def test_servers_over_tcp_are_asked_what_they_wrote_and_may_say_nothing() -> None:
    async def four() -> int | None:
        return 4

    async def nothing() -> int | None:
        return None

    udp, tcp, silent = (server(each) for each in (Transport.UDP, Transport.TCP, Transport.TCP))
    for unit, device, answer in ((udp, "cwu1", four), (tcp, "cwt1", four), (silent, "cwt2", nothing)):
        cast(Any, unit).spec.device, cast(Any, unit).written = device, answer
    asked = (udp, tcp, silent)
    said = {
        device: await tunnel_servers.written(lambda: asked, device) for device in ("cwu1", "cwt1", "cwt2")
    }
    assert said == {"cwu1": None, "cwt1": 4, "cwt2": None}


async def test_a_server_that_drops_frames_to_nobody_is_not_asked_what_it_wrote() -> None:
    async def four() -> int | None:
        return 4

    bridged = server(Transport.TCP)
    cast(Any, bridged).spec.sends_all, cast(Any, bridged).written = False, four
    assert await tunnel_servers.written(lambda: (bridged,), "cwt1195") is None


def test_the_only_one_connected_carries(world: SimpleNamespace) -> None:
    world.state()
    assert world.servers.device is None
    world.state(world.tcp)
    assert world.servers.device == "cwt1195"
    assert world.servers.report().transport is Transport.TCP
    assert Ears.opened == 0


def test_a_second_one_carries_when_the_client_says_so_and_the_first_no_longer(
    world: SimpleNamespace,
) -> None:
    world.state(world.tcp)
    world.udp.recency = (1, 5.0)
    world.state(world.tcp, world.udp)
    assert (world.servers.device, Ears.opened) == ("cwt1195", 1)
    world.servers._carried("cwt1195")
    world.now += FRESH / 2
    world.servers._carried("cwu1195")  # a question of long ago
    assert (world.servers.device, world.told) == ("cwt1195", [])
    world.now += FRESH
    world.servers._carried("cwu1195")
    assert world.servers.device == "cwu1195"
    assert len(world.told) == 1
    world.state(world.udp)
    assert (world.servers.device, Ears.opened) == ("cwu1195", 0)


def test_when_the_first_one_is_silent_the_second_is_followed_at_once(world: SimpleNamespace) -> None:
    world.state(world.udp)
    world.state(world.udp, world.tcp)
    world.servers._carried("cwt1195")
    assert world.servers.device == "cwt1195"
    world.servers.close()
