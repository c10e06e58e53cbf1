"""Floods of echo requests and our own control traffic: a tunnel is alive whatever a guest sends.

An appliance whose tunnel is a cable: the agent's own liveness asks through it from the far end, or from the
appliance, while guests and neighbours send as fast as they like.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Partial
from tests import documents
from tests.full_site import (
    INTERNET4,
    INTERNET6,
    PROVIDER4,
    PROVIDER6,
    PUBLIC4,
    PUBLIC6,
    apply,
    document,
    standing,
)
from tests.wired import BOX, FAR, UPLINK, VLAN, addresses, beside, build, load, run, tear_down, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

ROOT = Path(__file__).resolve().parents[2]
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
LOCAL, PEER = {4: "100.64.0.1", 6: "fd64::1"}, {4: "100.64.0.2", 6: "fd64::2"}
RATE, SECONDS = 400, 4
LIMIT = 100 + 50 * SECONDS
"""Echo requests of one source that are answered in that time: a burst, then so many a second."""
SLACK = 150
"""The sender may take longer than it should."""

_FLOOD = """
    import socket, struct, sys, time
    source, destination, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    six = ":" in source
    family, protocol = (socket.AF_INET6, 58) if six else (socket.AF_INET, 1)
    sock = socket.socket(family, socket.SOCK_RAW, protocol)
    sock.bind((source, 0))
    sock.setblocking(False)
    def request(number):
        head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 77, number)
        total = sum(struct.unpack("!4H", head))
        total = (total & 0xFFFF) + (total >> 16)
        return head if six else head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:]
    def hear():
        heard = 0
        while True:
            try:
                data = sock.recv(200)
            except BlockingIOError:
                return heard
            heard += data[0 if six else 20] == (129 if six else 0)
    answered, sent, began = 0, 0, time.monotonic()
    print("ready", flush=True)
    while sent < rate * seconds:
        while sent < min(rate * seconds, (time.monotonic() - began) * rate):
            sock.sendto(request(sent & 0xFFFF), (destination, 0))
            sent += 1
        time.sleep(0.002)
        answered += hear()
    time.sleep(0.2)
    print(answered + hear())
"""
_LIVENESS = """
    import asyncio, ipaddress, sys
    from causeway_agent.backends.processes import liveness
    from causeway_agent.plan.steer.silence import Verdict
    async def main():
        ends = ipaddress.ip_address(sys.argv[2]), ipaddress.ip_address(sys.argv[3])
        with liveness.probe(sys.argv[1], ends) as probe:
            running = asyncio.create_task(probe.run())
            try:
                async with asyncio.timeout(float(sys.argv[4])):
                    await probe.becomes(Verdict.DOUBTFUL, Verdict.LOST)
                print("doubted")
            except TimeoutError:
                print("alive" if probe.answered else "never answered")
            running.cancel()
    asyncio.run(main())
"""


@contextmanager
def flooding(
    space: str, source: str, destination: str, *, rate: int = RATE
) -> Iterator[subprocess.Popen[str]]:
    """Echo requests meanwhile, from one source."""
    with beside(space, _FLOOD, source, destination, str(rate), str(SECONDS)) as sender:
        yield sender


def answered(sender: subprocess.Popen[str]) -> int:
    """How many requests of a flood were answered; waits for its end."""
    assert sender.stdout is not None
    return int(sender.stdout.readline())


def liveness(space: str, device: str, local: str, peer: str) -> str:
    """What this end of the tunnel believes of the other after most of a flood's time."""
    arguments = (device, local, peer, str(SECONDS - 1))
    command = ("ip", "netns", "exec", space, sys.executable, "-c", textwrap.dedent(_LIVENESS), *arguments)
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout.strip()


def pinged(space: str, source: str, destination: str) -> int:
    """How many of ten polite echo requests are answered."""
    told = within(space, "ping", "-n", "-q", "-c10", "-i0.2", "-W2", "-I", source, destination, check=False)
    return int(told.split(" received")[0].split()[-1]) if "received" in told else 0


@pytest.fixture
def provider() -> Iterator[None]:
    """Its uplink, a VLAN with two machines of which one is failed over, and its tunnel's far end."""
    build(("eth0", UPLINK), ("eth1", VLAN), ("cwu1195", FAR))
    try:
        addresses(BOX, "eth0", "10.9.0.2/24")
        addresses(BOX, "eth1", "192.168.0.5/24", "2001:db8::5/64")
        addresses(BOX, "cwu1195", f"{LOCAL[4]}/30", f"{LOCAL[6]}/126")
        addresses(UPLINK, "host", "10.9.0.77/24", "10.9.0.78/24")
        addresses(VLAN, "host", "192.168.0.20/24", "192.168.0.21/24", "2001:db8::20/64", "2001:db8::21/64")
        addresses(FAR, "host", f"{PEER[4]}/30", f"{PEER[6]}/126")
        # A tun device has no neighbours; the cable that plays it needs to know one.
        mac = within(BOX, "cat", "/sys/class/net/cwu1195/address").strip()
        for local in LOCAL.values():
            run("ip", "-n", FAR, "neigh", "add", local, "lladdr", mac, "dev", "host", "nud", "permanent")
        load(ruleset.render(compile_document(documents.provider(PARTIAL), documents.FACTS).policy))
        yield
    finally:
        tear_down()


FLOODS = {
    "replica": (VLAN, "192.168.0.20", "192.168.0.5"),
    "replica6": (VLAN, "2001:db8::20", "2001:db8::5"),
    "uplink": (UPLINK, "10.9.0.77", "10.9.0.2"),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_echo_requests_leaves_liveness_alone(provider: None, flood: str, version: int) -> None:
    with flooding(*FLOODS[flood]):
        assert liveness(FAR, "host", PEER[version], LOCAL[version]) == "alive"


@pytest.fixture
def tenant() -> Iterator[None]:
    """Production on a cable, and its tunnel's far end, which it asks and which asks nothing."""
    build(("eth1", VLAN), ("cwtun0", FAR))
    try:
        addresses(BOX, "eth1", "192.168.0.6/24", "2001:db8::6/64")
        addresses(BOX, "cwtun0", f"{PEER[4]}/30", f"{PEER[6]}/126")
        addresses(VLAN, "host", "192.168.0.30/24", "2001:db8::30/64")
        addresses(FAR, "host", f"{LOCAL[4]}/30", f"{LOCAL[6]}/126")
        for space, device, other, other_device in (
            (FAR, "host", BOX, "cwtun0"),
            (BOX, "cwtun0", FAR, "host"),
        ):
            mac = within(other, "cat", f"/sys/class/net/{other_device}/address").strip()
            for peer in (PEER if space == FAR else LOCAL).values():
                run("ip", "-n", space, "neigh", "add", peer, "lladdr", mac, "dev", device, "nud", "permanent")
        load(ruleset.render(compile_document(documents.tenant(PARTIAL), documents.FACTS).policy))
        yield
    finally:
        tear_down()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("loud", "own"), [("192.168.0.30", "192.168.0.6"), ("2001:db8::30", "2001:db8::6")], ids=["4", "6"]
)
def test_a_flood_from_production_leaves_a_tenant_s_liveness_alone(
    tenant: None, loud: str, own: str, version: int
) -> None:
    with flooding(VLAN, loud, own) as sender:
        assert liveness(BOX, "cwtun0", PEER[version], LOCAL[version]) == "alive"
        assert answered(sender) <= LIMIT + SLACK


@pytest.mark.parametrize("flood", FLOODS)
def test_one_source_gets_its_budget_and_no_more(provider: None, flood: str) -> None:
    """Also where connection tracking has seen an answer: that is no permission."""
    with flooding(*FLOODS[flood]) as sender:
        assert 50 < answered(sender) <= LIMIT + SLACK


@pytest.mark.parametrize(
    ("flood", "other"), [("replica", "192.168.0.21"), ("replica6", "2001:db8::21"), ("uplink", "10.9.0.78")]
)
def test_another_source_has_a_budget_of_its_own(provider: None, flood: str, other: str) -> None:
    space, _, destination = FLOODS[flood]
    with flooding(*FLOODS[flood]):
        assert pinged(space, other, destination) == 10


def test_liveness_is_not_counted(provider: None) -> None:
    """The far end may ask as often as it wants: the size of a path is found by asking, too."""
    with flooding(FAR, PEER[4], LOCAL[4]) as sender:
        assert answered(sender) > (LIMIT + SLACK) * 2


def test_another_address_in_the_tunnel_is_no_peer(provider: None) -> None:
    addresses(FAR, "host", "100.64.0.9/32")
    run("ip", "-n", BOX, "route", "add", "100.64.0.9", "dev", "cwu1195")
    with flooding(FAR, "100.64.0.9", LOCAL[4]) as sender:
        assert answered(sender) <= LIMIT + SLACK


@pytest.mark.parametrize(
    ("loud", "polite", "public"), [(INTERNET4, PROVIDER4, PUBLIC4), (INTERNET6, PROVIDER6, PUBLIC6)]
)
def test_a_flood_from_the_internet_takes_nobodys_answers(loud: str, polite: str, public: str) -> None:
    with standing():
        apply(document(documents.full("net-0", "net-1")))
        with flooding(UPLINK, loud, public) as sender:
            assert pinged(UPLINK, polite, public) == 10
            assert 50 < answered(sender) <= LIMIT + SLACK
