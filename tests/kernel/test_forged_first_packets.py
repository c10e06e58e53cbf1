"""Floods of first packets at a gateway's door; real OpenVPN comes up and stays up beside them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from causeway_controller.trust import tls_crypt
from causeway_wire.observed import Transport
from tests.first_packets import Client
from tests.kernel.processes_lab import GATEWAYS, TENANT, TUNNEL, Site, client, door, server, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

UDP = Transport.UDP
RATE = 4000
OWNER, ATTACKER = "198.51.100.50", "198.51.100.66"

FLOOD = """
import json, random, socket, struct, sys, time
to, source, payloads, rate, seconds = json.load(sys.stdin)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
bodies = [bytes.fromhex(one) for one in payloads]
print("begun", flush=True)
began = time.monotonic()
sent = 0
while (now := time.monotonic() - began) < seconds:
    while sent < now * rate:
        body = bodies[sent % len(bodies)]
        host = source or f"100.{random.randrange(256)}.{random.randrange(256)}.9"
        udp = struct.pack("!HHHH", random.randrange(1024, 65536), 6180, 8 + len(body), 0) + body
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        raw.sendto(head + socket.inet_aton(host) + socket.inet_aton(to) + udp, (to, 0))
        sent += 1
    time.sleep(0.002)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("forged")) as made:
        for place in ("s", "g0", "c"):
            made.agent(place)
        made.agents["s"].start(server(made.keys, UDP))
        made.agents["g0"].start(door(made.keys, 0))
        yield made


@pytest.fixture
def quiet(running: Site) -> Iterator[Site]:
    yield running
    running.agents["c"].stop(client(running.keys, (0, UDP)))


def copies(made: Site) -> list[bytes]:
    """By somebody who has seen the owner's first packets: its wrapped key, the rest as he likes."""
    seen = Client(made.keys.client_key)
    now = int(time.time())
    return [seen.forged(now) for _ in range(100)] + [seen.with_copied_tag(now) for _ in range(100)]


def made_up(_: Site) -> list[bytes]:
    """By somebody who has seen nothing."""
    return [
        Client.of(tls_crypt.make_server_key(), TENANT, TUNNEL).packet(int(time.time())) for _ in range(200)
    ]


@contextmanager
def flooded(made: Site, payloads: list[bytes], source: str | None) -> Iterator[None]:
    """4,000 packets a second while the block runs, 20 s at the most."""
    command = ("ip", "netns", "exec", f"{made.prefix}a", sys.executable, "-c", FLOOD)
    told = [str(GATEWAYS[0]), source, [one.hex() for one in payloads], RATE, 20]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flood:
        assert flood.stdin is not None
        assert flood.stdout is not None
        flood.stdin.write(json.dumps(told))
        flood.stdin.close()
        assert flood.stdout.readline() == "begun\n"
        try:
            yield
            assert flood.poll() is None, "the flood ended early"
        finally:
            flood.kill()


@pytest.mark.parametrize(
    "source", [None, ATTACKER, OWNER], ids=["from anywhere", "from one", "from the owner's"]
)
@pytest.mark.parametrize("kind", [copies, made_up])
def test_a_tunnel_comes_up_and_stays_up_in_a_flood(
    quiet: Site, kind: Callable[[Site], list[bytes]], source: str | None
) -> None:
    with flooded(quiet, kind(quiet), source):
        time.sleep(1)
        quiet.agents["c"].start(client(quiet.keys, (0, UDP)))
        until(lambda: quiet.agents["c"].report()["state"] == "connected", 10)
        with quiet.probing(2) as found:
            time.sleep(1)
    assert quiet.agents["c"].report()["restarts"] == 0
    assert found["gap"] < 0.3


def test_made_up_packets_never_reach_the_agent(quiet: Site) -> None:
    before = quiet.agents["g0"].admissions()
    with flooded(quiet, made_up(quiet), None):
        time.sleep(2)
    assert quiet.agents["g0"].admissions() == before
