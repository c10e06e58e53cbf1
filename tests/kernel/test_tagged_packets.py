"""Tagged frames from a replica's segment: no tag takes a packet into another network, or past a question.

An adapter whose VLAN the hypervisor has taken off hears what a guest has tagged itself. The kernel takes off
tags of priority alone, and treats what is behind them as if they were not there; frames of a VLAN that has no
device are nobody's. What is said of an adapter with VLANs of its own takes a kernel that makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from causeway_agent.backends.segment import frames
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Partial
from tests import documents
from tests.neighbour_wire import mac_of, send, tagged
from tests.wired import BOX, FAR, VLAN, addresses, beside, build, counted, load, run, tear_down

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

PORT = 9000
REPLICA = {4: "192.168.0.20", 6: "2001:db8::20"}
HOST = {4: "192.168.0.30", 6: "2001:db8::30"}
STRANGER = {4: "192.168.0.77", 6: "2001:db8::77"}
"""Of the same network, and not failed over."""
OF_NO_VLAN = ("", "8100e000", "8100e00081000000", "88a8000081000000")
OF_A_VLAN = ("81000001", "81000005", "81000fff", "8100000081000005", "8100000588a80006", "88a8000581000006")
"""The default one, others, and two tags of which a switch would take the first off."""
_HEAR = """
    import select, socket, sys
    socks = []
    for address in sys.argv[2:]:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, int(sys.argv[1])))
        socks.append(sock)
    print("ready", flush=True)
    heard = []
    while True:
        for one in select.select([*socks, sys.stdin], [], [])[0]:
            if one is sys.stdin:
                sys.stdin.readline()
                print(*heard, flush=True)
            else:
                heard.append(one.recv(100).decode())
"""


@pytest.fixture(scope="module")
def partial() -> Iterator[None]:
    """A provider's appliance between a replica's segment and a host that stands for production."""
    build(("eth1", VLAN), ("cwu1195", FAR))
    try:
        addresses(FAR, "host", f"{HOST[4]}/24", f"{HOST[6]}/64")
        for version, address in HOST.items():
            run("ip", "-n", BOX, f"-{version}", "route", "add", address, "dev", "cwu1195")
            mac = mac_of(FAR).hex(":")
            run("ip", "-n", BOX, "neigh", "add", address, "lladdr", mac, "dev", "cwu1195")
        replica = documents.replica(20, "net-0", *REPLICA.values())
        target = compile_document(documents.provider(Partial(replicas=(replica,))), documents.FACTS)
        load(ruleset.render(target.policy))
        yield
    finally:
        tear_down()


def datagram(source: str, destination: str, text: str) -> bytes:
    """A frame to the appliance with this datagram."""
    here, there = ip_address(source), ip_address(destination)
    ends, data = here.packed + there.packed, text.encode()
    udp = b"".join(n.to_bytes(2, "big") for n in (PORT, PORT, 8 + len(data), 0)) + data
    pseudo = ends + len(udp).to_bytes(4, "big") + bytes([0, 0, 0, 17]) + udp + bytes(len(udp) % 2)
    udp = udp[:6] + frames.checksum(pseudo).to_bytes(2, "big") + udp[8:]
    to = mac_of(BOX, "eth1") + mac_of(VLAN)
    if here.version == 6:
        return (
            to + b"\x86\xdd" + bytes([0x60, 0, 0, 0]) + len(udp).to_bytes(2, "big") + b"\x11\x40" + ends + udp
        )
    head = bytes([0x45, 0]) + (20 + len(udp)).to_bytes(2, "big") + bytes([0, 1, 0x40, 0, 64, 17, 0, 0]) + ends
    head = head[:10] + frames.checksum(head).to_bytes(2, "big") + head[12:]
    return to + b"\x08\x00" + head + udp


@pytest.mark.parametrize("version", [4, 6])
def test_frames_of_a_vlan_go_nowhere_and_tags_of_priority_hide_nothing(partial: None, version: int) -> None:
    replica, host, stranger = REPLICA[version], HOST[version], STRANGER[version]
    with beside(FAR, _HEAR, str(PORT), host) as ears:
        for tags in (*OF_A_VLAN, *OF_NO_VLAN):
            send(VLAN, tagged(datagram(replica, host, tags or "untagged"), tags))
        for tags in OF_NO_VLAN:
            with counted("drop_forward"):
                send(VLAN, tagged(datagram(stranger, host, f"stranger{tags}"), tags))
        send(VLAN, datagram(replica, host, "last"))
        assert ears.stdin is not None
        assert ears.stdout is not None
        heard: list[str] = []
        while "last" not in heard:
            ears.stdin.write("?\n")
            ears.stdin.flush()
            heard = ears.stdout.readline().split()
        assert set(heard) == {"untagged", *OF_NO_VLAN, "last"} - {""}
