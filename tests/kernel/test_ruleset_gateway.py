"""The gateway's ruleset under real datagrams: first packets, admitted flows, floods."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from causeway_agent.plan import ruleset
from causeway_agent.plan.compile import compile_document
from causeway_agent.plan.policy import Policy
from causeway_wire.desired import Desired
from tests import documents
from tests.wired import BOX, FAR, UPLINK, addresses, build, counted, load, python, tear_down, within

pytestmark = pytest.mark.kernel

GATE = documents.gateway(documents.gateway_tunnel(0))


def policy(document: Desired) -> Policy:
    return compile_document(document, documents.FACTS).policy


FLOW = "203.0.113.77 . 5000"


@pytest.fixture
def gate() -> Iterator[None]:
    """The gateway: `eth1` is public, `eth0` leads to the tunnel's server."""
    build(("eth0", UPLINK), ("eth1", FAR))
    try:
        addresses(BOX, "eth0", "10.9.0.2/24")
        addresses(BOX, "eth1", "203.0.113.10/24", "2001:db8:f::10/64")
        addresses(UPLINK, "host", "10.9.0.20/24")
        addresses(FAR, "host", "203.0.113.77/24")
        load(ruleset.render(policy(GATE)))
        yield
    finally:
        tear_down()


def knock(count: int = 1) -> str:
    """Send datagrams of one flow to the public port; the first answer, or nothing."""
    script = """
        import socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("203.0.113.77", 5000))
        s.settimeout(0.5)
        for _ in range(int(sys.argv[1])):
            s.sendto(b"hello", ("203.0.113.10", 6180))
        try:
            print(s.recv(100).decode())
        except TimeoutError:
            pass
    """
    return python(FAR, script, str(count))


@contextmanager
def answering(space: str, address: str, port: int) -> Iterator[None]:
    """An UDP server that answers with its own name and the address it was asked from."""
    script = """
        import socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((sys.argv[1], int(sys.argv[2])))
        print("ready", flush=True)
        while True:
            data, origin = s.recvfrom(100)
            s.sendto((sys.argv[1] + " asked by " + origin[0]).encode(), origin)
    """
    command = (
        "ip",
        "netns",
        "exec",
        space,
        sys.executable,
        "-c",
        textwrap.dedent(script),
        address,
        str(port),
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()


def admit() -> None:
    within(BOX, "nft", f"add element inet causeway flows {{ {FLOW} : 10.9.0.20 . 1195 }}")
    within(BOX, "nft", f"add element inet causeway known {{ {FLOW} }}")


def expiry(name: str) -> float:
    """Seconds until the flow is forgotten."""
    listed = within(BOX, "nft", "-j", "list", "set" if name == "known" else "map", "inet", "causeway", name)
    return float(re.findall(r'"expires": (\d+)', listed)[0])


def test_an_unknown_flow_reaches_the_filter_and_only_it(gate: None) -> None:
    with answering(UPLINK, "10.9.0.20", 1195), answering(BOX, "203.0.113.10", 6180):
        assert knock() == "203.0.113.10 asked by 203.0.113.77"


def test_an_admitted_flow_is_carried_by_the_kernel_and_hides_its_source(gate: None) -> None:
    with answering(UPLINK, "10.9.0.20", 1195):
        assert not knock()
        admit()
        assert knock() == "10.9.0.20 asked by 10.9.0.2"


def test_traffic_keeps_a_flow_known_and_mapped(gate: None) -> None:
    with answering(UPLINK, "10.9.0.20", 1195):
        admit()
        time.sleep(2.2)
        assert max(expiry("known"), expiry("flows")) <= 298
        assert knock()
        assert min(expiry("known"), expiry("flows")) >= 299


def test_a_flow_to_a_server_that_is_no_longer_named_is_cut(gate: None) -> None:
    with answering(UPLINK, "10.9.0.20", 1195):
        admit()
        assert knock()
        load(ruleset.render(policy(documents.gateway(documents.gateway_tunnel(1)))))
        with counted("drop_forward"):
            assert not knock()


def test_a_flood_of_first_packets_is_limited_by_source_and_spares_admitted_flows(gate: None) -> None:
    with answering(UPLINK, "10.9.0.20", 1195):
        with counted("drop_flood"):
            knock(100)
        admit()
        assert knock(100) == "10.9.0.20 asked by 10.9.0.2"
