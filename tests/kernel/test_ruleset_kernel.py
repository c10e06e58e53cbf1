"""Rendered rulesets against the kernel's nftables: accepted, reloaded without loss, and true to real packets.

Four namespaces: an appliance whose tun device is played by a cable, a host on its uplink, its VLAN with a
replica and another VM, and production behind the tunnel. No VPN, no agent: packets and rules only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.steer import closed
from causeway_wire.desired import Desired, Partial
from tests import documents
from tests.wired import (
    BOX,
    FAR,
    UPLINK,
    VLAN,
    addresses,
    beside,
    build,
    counted,
    load,
    pings,
    python,
    run,
    tear_down,
    within,
)

pytestmark = pytest.mark.kernel

GOLDEN = Path(__file__).parents[1] / "unit/agent/plan/golden"
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
CABLES = (("eth0", UPLINK), ("eth1", VLAN), ("cwu1195", FAR))


def policy(document: Desired) -> Policy:
    return compile_document(document, documents.FACTS).policy


def connects(space: str, destination: str, port: int, *, source: str) -> bool:
    script = """
        import socket, sys
        try:
            socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.5, (sys.argv[3], 0))
            print("yes")
        except OSError:
            print("no")
    """
    return python(space, script, destination, str(port), source) == "yes"


def asks(space: str, device: str, sender: str, target: str) -> bool:
    """Send an ARP request (RFC 826); whether anybody answers."""
    script = """
        import ipaddress, socket, struct, sys
        device, sender, target = sys.argv[1:]
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        s.bind((device, 0))
        s.settimeout(0.3)
        mac = s.getsockname()[4]
        ends = [ipaddress.ip_address(a).packed for a in (sender, target)]
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ends[0] + bytes(6) + ends[1]
        s.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + body)
        try:
            while True:
                frame, origin = s.recvfrom(200)
                if origin[2] != 4 and frame[20:22] == b"\\0\\2" and frame[28:32] == ends[1]:
                    print("yes")
                    break
        except TimeoutError:
            print("no")
    """
    return python(space, script, device, sender, target) == "yes"


@pytest.fixture
def box() -> Iterator[None]:
    build()
    try:
        yield
    finally:
        tear_down()


@pytest.fixture
def provider() -> Iterator[None]:
    build(*CABLES)
    try:
        addresses(BOX, "eth0", "10.9.0.2/24", "10.9.0.3/24")
        addresses(BOX, "eth1", "192.168.0.5/32", "2001:db8::5/128")
        addresses(UPLINK, "host", "10.9.0.77/24", "10.8.0.77/32")
        addresses(VLAN, "host", "192.168.0.20/24", "192.168.0.21/24", "172.16.9.9/32", "2001:db8::20/64")
        addresses(FAR, "host", "192.168.0.30/24", "2001:db8::30/64")
        for four, device in (("192.168.0.0/24", "cwu1195"), ("192.168.0.20/31", "eth1")):
            run("ip", "-n", BOX, "route", "add", four, "dev", device)
        for six, device in (("2001:db8::/64", "cwu1195"), ("2001:db8::20/128", "eth1")):
            run("ip", "-n", BOX, "-6", "route", "add", six, "dev", device)
        run("ip", "-n", BOX, "route", "add", "172.16.9.9", "dev", "eth1")
        run("ip", "-n", UPLINK, "route", "add", "192.168.0.0/24", "via", "10.9.0.2")
        run("ip", "-n", VLAN, "route", "add", "10.9.0.0/24", "via", "192.168.0.5", "onlink", "dev", "host")
        run("ip", "-n", VLAN, "route", "add", "default", "via", "192.168.0.5", "onlink", "dev", "host")
        for device in ("eth1", "cwu1195"):
            keys = (f"net.ipv4.conf.{device}.proxy_arp=1", f"net.ipv4.neigh.{device}.proxy_delay=0")
            within(BOX, "sysctl", "-qw", *keys)
        for space, mine in ((VLAN, "2001:db8::30"), (FAR, "2001:db8::20")):
            device = "eth1" if space == VLAN else "cwu1195"
            mac = json.loads(run("ip", "-j", "-n", BOX, "link", "show", device))[0]["address"]
            run(
                "ip",
                "-n",
                space,
                "-6",
                "neigh",
                "add",
                mine,
                "lladdr",
                mac,
                "dev",
                "host",
                "nud",
                "permanent",
            )
            theirs = "192.168.0.20" if space == FAR else "192.168.0.30"
            run("ip", "-n", space, "neigh", "add", theirs, "lladdr", mac, "dev", "host", "nud", "permanent")
            other = "192.168.0.21" if space == FAR else "192.168.0.5"
            run("ip", "-n", space, "neigh", "add", other, "lladdr", mac, "dev", "host", "nud", "permanent")
        load(ruleset.render(policy(documents.provider(PARTIAL))))
        with listening("10.9.0.2", "10.9.0.3", "192.168.0.5"):
            yield
    finally:
        tear_down()


@contextmanager
def listening(*places: str) -> Iterator[None]:
    """A server on the agent's port at each of these addresses of the appliance."""
    script = """
        import socket, sys
        servers = [socket.create_server((address, 8443)) for address in sys.argv[1:]]
        print("ready", flush=True)
        sys.stdin.read()
    """
    with beside(BOX, script, *places):
        yield


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.nft")))
def test_golden_rulesets_are_accepted_by_check_and_load(box: None, name: str) -> None:
    text = (GOLDEN / f"{name}.nft").read_text(encoding="utf-8")
    run("ip", "netns", "exec", BOX, "nft", "-c", "-f", "-", text=text)
    load(text)
    listing = within(BOX, "nft", "list", "chain", "inet", "causeway", "identity")
    assert ruleset.find_digest(listing) == ruleset.find_digest(text)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(old=documents.MEANT, new=documents.MEANT)
def test_rendered_nft_is_accepted_by_check(box: None, old: Desired, new: Desired) -> None:
    """Every policy of a document, and every one that is in force while documents change."""
    shut = closed.closed(compile_document(new, documents.FACTS)).policy
    for each in (policy(new), policy(old) & policy(new), shut):
        run("ip", "netns", "exec", BOX, "nft", "-c", "-f", "-", text=ruleset.render(each))


def test_a_reload_keeps_flows_and_counters_and_replaces_the_rest(box: None) -> None:
    first = policy(documents.gateway(documents.gateway_tunnel(0)))
    load(ruleset.render(first))
    flow = "198.51.100.7 . 5000"
    within(BOX, "nft", f"add element inet causeway known {{ {flow} }}")
    within(BOX, "nft", f"add element inet causeway flows {{ {flow} : 10.9.0.20 . 1195 }}")
    before = within(BOX, "nft", "list", "table", "inet", "causeway")
    load(ruleset.render(Policy()))
    assert flow in within(BOX, "nft", "list", "map", "inet", "causeway", "flows")
    assert "203.0.113.10" not in within(BOX, "nft", "list", "table", "inet", "causeway")
    load(ruleset.render(first))

    def settled(text: str) -> str:
        return re.sub(r"expires \S+", "", text)

    assert settled(within(BOX, "nft", "list", "table", "inet", "causeway")) == settled(before)


def test_a_replica_and_production_reach_each_other(provider: None) -> None:
    assert pings(VLAN, "192.168.0.30", source="192.168.0.20")
    assert pings(VLAN, "2001:db8::30", source="2001:db8::20")
    assert pings(FAR, "192.168.0.20", source="192.168.0.30")
    listed = within(BOX, "sh", "-c", "cat /proc/net/nf_conntrack 2>/dev/null || true")
    assert "192.168.0.30" not in listed


def test_a_vm_that_is_not_failed_over_reaches_nothing(provider: None) -> None:
    with counted("drop_forward"):
        assert not pings(VLAN, "192.168.0.30", source="192.168.0.21")
    with counted("drop_forward"):
        assert not pings(FAR, "192.168.0.21", source="192.168.0.30")


def test_a_mark_that_a_packet_brings_along_opens_nothing(provider: None) -> None:
    """The control: set behind our question, the same mark lets a VM pass that is not failed over."""
    rule = 'iifname { "eth1", "cwu1195" } meta mark set 0x1'
    for priority, passes in ((-310, False), (-290, True)):
        load(
            f"table inet other {{\n chain marks {{\n type filter hook prerouting priority {priority};\n"
            f" {rule}\n }}\n}}\n"
        )
        assert pings(VLAN, "192.168.0.30", source="192.168.0.21") == passes
        within(BOX, "nft", "delete", "table", "inet", "other")


def test_a_replica_s_mark_does_not_lead_out_by_another_device(provider: None) -> None:
    """Replicas leave by the tunnel; the same packets pass once that pair of devices is named."""
    with counted("drop_forward"):
        assert not pings(VLAN, "10.9.0.77", source="192.168.0.20")
    for pair in ('"eth1" . "eth0"', '"eth0" . "eth1"'):
        within(BOX, "nft", f"add element inet causeway exits {{ {pair} : accept }}")
    within(BOX, "nft", 'add element inet causeway forward_destination4 { "eth0" . 192.168.0.20 }')
    within(BOX, "nft", 'add element inet causeway entrances4 { "eth0" : goto by_destination4 }')
    assert pings(VLAN, "10.9.0.77", source="192.168.0.20")


def test_a_replica_that_only_listens_receives_everything(provider: None) -> None:
    """Nobody has heard it; the document names it, so it is not rationed like an address that is guessed."""
    script = """
        import socket, sys, time
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("192.168.0.30", 0))
        for _ in range(800):
            sock.sendto(b"x", ("192.168.0.20", 5140))
            time.sleep(0.001)
    """
    hook = "type filter hook prerouting priority -310"
    seen = f"table inet watch {{ chain seen {{ {hook}; udp dport 5140 counter; }}; }}"
    run("ip", "netns", "exec", VLAN, "nft", "-f", "-", text=seen)
    python(FAR, script)
    told = within(VLAN, "nft", "list", "chain", "inet", "watch", "seen")
    assert int(told.split("packets ")[1].split()[0]) == 800


def test_a_replica_cannot_lie_about_its_network(provider: None) -> None:
    with counted("drop_spoofed"):
        assert not pings(VLAN, "192.168.0.30", source="172.16.9.9")


def test_a_replica_reaches_neither_the_providers_hosts_nor_they_it(provider: None) -> None:
    with counted("drop_forward"):
        assert not pings(VLAN, "10.9.0.77", source="192.168.0.20")
    with counted("drop_forward"):
        assert not pings(UPLINK, "192.168.0.20", source="10.9.0.77")


def test_the_agent_answers_its_controllers_on_its_own_address_only(provider: None) -> None:
    assert connects(UPLINK, "10.9.0.2", 8443, source="10.9.0.77")
    for destination in ("10.9.0.3", "192.168.0.5"):
        with counted("drop_management"):
            assert not connects(UPLINK, destination, 8443, source="10.9.0.77")


def test_others_on_the_uplink_find_no_agent(provider: None) -> None:
    run("ip", "-n", BOX, "route", "add", "10.8.0.77", "dev", "eth0")
    with counted("drop_management"):
        assert not connects(UPLINK, "10.9.0.2", 8443, source="10.8.0.77")


@pytest.mark.parametrize("destination", ["10.9.0.2", "192.168.0.5"])
def test_a_replica_finds_no_agent_on_any_address(provider: None, destination: str) -> None:
    with counted("drop_management"):
        assert not connects(VLAN, destination, 8443, source="192.168.0.20")


def test_echo_is_answered_where_it_is_promised_and_nowhere_else(provider: None) -> None:
    assert pings(UPLINK, "10.9.0.2", source="10.9.0.77")
    assert pings(VLAN, "192.168.0.5", source="192.168.0.20")
    with counted("drop_input"):
        assert not pings(UPLINK, "10.9.0.3", source="10.9.0.77")


def test_proxy_arp_answers_replicas_about_production_and_nobody_else(provider: None) -> None:
    assert asks(VLAN, "host", "192.168.0.20", "192.168.0.30")
    with counted("drop_arp"):
        assert not asks(VLAN, "host", "192.168.0.21", "192.168.0.30")
    # Heard, so that an address that moves is learned, and left unanswered.
    assert not asks(VLAN, "host", "192.168.0.20", "192.168.0.20")
    with counted("drop_arp"):
        assert not asks(VLAN, "host", "192.168.0.20", "8.8.8.8")
    with counted("drop_arp"):
        assert not asks(FAR, "host", "192.168.0.30", "192.168.0.20")


def test_while_a_policy_closes_nothing_is_answered_or_passed(provider: None) -> None:
    whole = policy(documents.provider(PARTIAL))
    load(ruleset.render(whole & policy(documents.provider())))
    assert not pings(VLAN, "192.168.0.30", source="192.168.0.20")
    assert not asks(VLAN, "host", "192.168.0.20", "192.168.0.30")
    load(ruleset.render(whole))
    assert pings(VLAN, "192.168.0.30", source="192.168.0.20")
