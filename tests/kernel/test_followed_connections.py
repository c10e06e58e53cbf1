"""Connections to services of the appliance's own take no place in the table of connections.

One that is held open there keeps its place for five days, whatever became of the service's end: strangers who
complete handshakes would fill the table, and a full one lets in no new tunnel.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Desired, Partial
from tests import documents
from tests.wired import BOX, FAR, UPLINK, beside, between, load, python, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

_DOOR = """
    import socket, sys
    address, port = sys.argv[1], int(sys.argv[2])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind((address, port))
    server.listen()
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        connection.sendall(connection.recv(10))
"""
_KNOCK = """
    import socket, sys
    connections = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 2) for _ in range(20)]
    for one in connections:
        one.settimeout(2)
        one.sendall(b"hello")
        print(one.recv(10).decode(), flush=True)
    print("held")
"""


@pytest.fixture(scope="module")
def box() -> Iterator[None]:
    """An appliance with an adapter at the provider's network and a public one."""
    with between():
        yield


def enforce(document: Desired) -> None:
    load(ruleset.render(compile_document(document, documents.FACTS).policy))


def followed() -> int:
    """Connections that the appliance's kernel follows."""
    return int(within(BOX, "cat", "/proc/sys/net/netfilter/nf_conntrack_count"))


@pytest.mark.parametrize(
    ("role", "space", "address", "port"),
    [
        ("gateway", FAR, "203.0.113.10", 6180),
        ("gateway", FAR, "2001:db8:f::10", 6180),
        ("provider", UPLINK, "10.9.0.2", 1195),
    ],
)
def test_a_connection_to_a_documented_port_works_and_is_not_followed(
    box: None, role: str, space: str, address: str, port: int
) -> None:
    if role == "gateway":
        enforce(documents.gateway(documents.gateway_tunnel(0)))
    else:
        replicas = (documents.replica(20, "net-0", "192.168.0.20"),)
        enforce(documents.provider(Partial(replicas=replicas)))
    before = followed()
    with beside(BOX, _DOOR, address, str(port)):
        assert python(space, _KNOCK, address, str(port)).endswith("held")
        assert followed() == before
