"""A NAT on the way forgets the connection of a tunnel over TCP: with a word of it, and without."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from causeway_wire.observed import Transport
from tests.kernel.processes_lab import (
    DOOR,
    GATEWAYS,
    Site,
    client,
    door,
    gateway_proxy,
    server,
    site,
    until,
    wrapper,
)
from tests.kernel.test_nat_rebinding import rebind

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

TCP = Transport.TCP
CLIENT = "198.51.100.50"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A tunnel whose line lets no UDP through."""
    with site(tmp_path_factory.mktemp("rebinding-tcp")) as made:
        for place in ("s", "g0", "g1", "c"):
            made.agent(place)
        made.agents["s"].start(server(made.keys, TCP))
        for index in range(len(GATEWAYS)):
            made.agents[f"g{index}"].start(door(made.keys, index))
            made.agents[f"g{index}"].start(gateway_proxy(made.keys, index))
            made.block(index, "udp")
        made.agents["c"].start(wrapper(made.keys))
        yield made


@pytest.fixture
def tunnel(running: Site) -> Iterator[Site]:
    forget(running, 20000, silent=False)
    ways = client(running.keys, (0, TCP), (1, TCP))
    running.agents["c"].start(ways)
    until(lambda: running.agents["c"].report()["state"] == "connected", 15)
    time.sleep(1)
    yield running
    running.agents["c"].stop(ways)


def forget(made: Site, first_port: int, *, silent: bool) -> None:
    """From now on the client's packets come from one of these ports; `silent`: resets do not come back."""
    drop = (
        "chain back {\ntype filter hook prerouting priority raw;\n"
        f"tcp sport {DOOR} tcp flags & rst == rst drop\n}}"
    )
    rebind(made, CLIENT, first_port, protocol="tcp", besides=drop if silent else "")


@pytest.mark.parametrize(("silent", "most"), [(False, 1.0), (True, 3.0)], ids=["told", "silent"])
def test_a_tunnel_over_tcp_is_back_when_its_connection_was_forgotten(
    tunnel: Site, *, silent: bool, most: float
) -> None:
    with tunnel.probing(6) as found:
        time.sleep(1)
        forget(tunnel, 40000, silent=silent)
    report = tunnel.agents["c"].report()
    sys.stdout.write(f"forgotten, {'silent' if silent else 'told'}: {found['gap']:.2f} s, {report}\n")
    assert found["gap"] < most
    assert (report["state"], report["transport"]) == ("connected", TCP)
