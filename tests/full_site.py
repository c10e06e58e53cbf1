"""A provider appliance in full failover, in namespaces: its uplink with the internet behind it, two networks.

Everything the appliance is comes from a document; public rules are put into their sets by hand. On the
uplink's side stand the provider's router, one of its hosts and a host of the internet, in one namespace.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface
from pathlib import Path

import msgspec

from causeway_wire import codec
from causeway_wire.desired import Desired, Failover, Management
from tests import documents
from tests.wired import BOX, FAR, UPLINK, VLAN, addresses, beside, build, python, run, tear_down, within

ROOT = Path(__file__).resolve().parents[1]

PUBLIC4, PUBLIC6 = documents.PUBLIC[0], documents.PUBLIC[2]
INTERNET4, INTERNET6 = "203.0.113.80", "2001:db8:cafe::80"
PROVIDER4, PROVIDER6 = "10.9.0.77", "2001:db8:9::77"
"""A host of the provider's own network."""
DENIED4 = "10.20.0.7"
"""A host of a provider's network elsewhere."""
VM4, VM6 = "192.168.0.20", "2001:db8::20"
NEIGHBOUR4 = "192.168.0.21"
"""Another VM of the same network; no rule publishes it."""
OTHER4, OTHER6 = "192.168.1.20", "2001:db8:1::20"
"""A VM of the other network."""
UPLINK6 = "2001:db8:9::2"

_SERVER = """
    import socket, sys, threading
    def tcp(family, port):
        server = socket.socket(family, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind(("", port))
        server.listen()
        while True:
            threading.Thread(target=talk, args=server.accept(), daemon=True).start()
    def talk(connection, peer):
        with connection:
            while data := connection.recv(100):
                connection.sendall(peer[0].encode() + b"\\n")
    def udp(address, port):
        server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((address, port))
        while True:
            _, peer = server.recvfrom(100)
            server.sendto(peer[0].encode() + b"\\n", peer)
    for family in (socket.AF_INET, socket.AF_INET6):
        for port in (22, 80):
            threading.Thread(target=tcp, args=(family, port), daemon=True).start()
    for address in sys.argv[1:]:
        threading.Thread(target=udp, args=(address, 53), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
"""
_CLIENT = """
    import socket, sys
    kind, source, destination, port = sys.argv[1:]
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.settimeout(0.6)
    try:
        sock.bind((source, 0))
        sock.connect((destination, int(port)))
        sock.sendall(b"who?")
        print(sock.recv(100).decode().strip())
    except OSError:
        print("nothing")
"""
_TALK = """
    import socket, sys
    source, destination, port = sys.argv[1:]
    sock = socket.create_connection((destination, int(port)), 1, (source, 0))
    sock.settimeout(0.6)
    for line in sys.stdin:
        try:
            sock.sendall(b"who?")
            print(sock.recv(100).decode().strip(), flush=True)
        except OSError:
            print("nothing", flush=True)
"""


def document(
    failover: Failover | None,
    *,
    public: tuple[str, ...] = documents.PUBLIC,
    denied: tuple[str, ...] = ("10.20.0.0/16",),
    door: Management | None = None,
) -> Desired:
    """The appliance's document, with an uplink that has both families."""
    plain = documents.provider(failover, public=public, denied=denied, door=door)
    uplink = msgspec.structs.replace(
        plain.nics[0],
        addresses=(*plain.nics[0].addresses, ip_interface(f"{UPLINK6}/64")),
        gateways=(ip_address("10.9.0.1"), ip_address("2001:db8:9::1")),
    )
    return msgspec.structs.replace(plain, nics=(uplink, *plain.nics[1:]))


def apply(desired: Desired) -> list[str]:
    """Put the document in force; the claims and who answered for them."""
    done = subprocess.run(
        ("ip", "netns", "exec", BOX, sys.executable, "-m", "tests.appliance"),
        input=codec.encode(desired),
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


@contextmanager
def standing() -> Iterator[None]:
    """The namespaces with their hosts and servers; the appliance has no document yet."""
    build(("eth0", UPLINK), ("eth1", VLAN), ("eth2", FAR))
    try:
        for index, device in enumerate(("eth0", "eth1", "eth2")):
            run("ip", "-n", BOX, "link", "set", device, "address", documents.MACS[index])
        within(BOX, "sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
        _uplink()
        for space, four, six, extra in (
            (VLAN, VM4, VM6, (f"{NEIGHBOUR4}/24", "172.16.9.9/32")),
            (FAR, OTHER4, OTHER6, ()),
        ):
            addresses(space, "host", f"{four}/24", f"{six}/64", *extra)
            gateway4, gateway6 = four.rpartition(".")[0] + ".1", six.rpartition("::")[0] + "::1"
            run("ip", "-n", space, "route", "add", "default", "via", gateway4)
            run("ip", "-n", space, "-6", "route", "add", "default", "via", gateway6)
        with serving(UPLINK, INTERNET4, INTERNET6), serving(VLAN, VM4, VM6), serving(FAR, OTHER4, OTHER6):
            yield
    finally:
        tear_down()


def _uplink() -> None:
    """The provider's router: public addresses are on its link, the internet and other networks behind it."""
    addresses(UPLINK, "host", "10.9.0.1/24", f"{PROVIDER4}/24", "2001:db8:9::1/64", f"{PROVIDER6}/64")
    addresses(UPLINK, "lo", f"{INTERNET4}/32", f"{INTERNET6}/128", f"{DENIED4}/32", "192.168.1.99/32")
    run("ip", "-n", UPLINK, "route", "add", "198.51.100.0/24", "dev", "host")
    run("ip", "-n", UPLINK, "-6", "route", "add", "2001:db8:f::/64", "dev", "host")
    within(UPLINK, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.host.rp_filter=0")


@contextmanager
def serving(space: str, *own: str) -> Iterator[None]:
    """TCP on 22 and 80, and UDP on 53 of `own`, that answer with the address they are asked from."""
    with beside(space, _SERVER, *own):
        yield


def asks(space: str, source: str, destination: str, port: int, *, kind: str = "tcp") -> str:
    """The address that the server at the other end saw; `nothing` when there is no answer."""
    return python(space, _CLIENT, kind, source, destination, str(port))


@contextmanager
def connected(space: str, source: str, destination: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """A connection that is asked something for every line written to it (see `hears`)."""
    command = ("ip", "netns", "exec", space, sys.executable, "-c", textwrap.dedent(_TALK))
    with subprocess.Popen(
        (*command, source, destination, str(port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        try:
            yield client
        finally:
            client.kill()


def hears(client: subprocess.Popen[str]) -> str:
    """Ask over the connection; `nothing` when no answer comes."""
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("?\n")
    client.stdin.flush()
    return client.stdout.readline().strip()


def nft(text: str) -> None:
    """Change the appliance's rules or sets by hand."""
    run("ip", "netns", "exec", BOX, "nft", "-f", "-", text=text)


def element(verb: str, name: str, content: str) -> None:
    """Add or delete an element of a set of the inet table."""
    nft(f"{verb} element inet causeway {name} {{ {content} }}\n")


def publish(public: str, port: int, internal: str, internal_port: int, *, protocol: str = "tcp") -> None:
    """One public rule for everyone."""
    version = 6 if ":" in public else 4
    key = f"{public} . {protocol} . {port}"
    element("add", f"public{version}", f"{key} : {internal} . {internal_port}")
    element("add", f"published{version}", key)


def held(device: str) -> set[str]:
    """Addresses that the appliance holds on this device."""
    listed = json.loads(within(BOX, "ip", "-j", "address", "show", "dev", device))
    return {entry["local"] for entry in listed[0]["addr_info"] if entry["scope"] == "global"}
