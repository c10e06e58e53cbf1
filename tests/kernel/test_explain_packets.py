"""Explain against packets: it says that those pass that do, and of others which counter really counts them.

Full failover as in `test_full_packets`; explain reads disk and kernel, as where the agent is dead.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.rules_journal import RulesJournal
from causeway_agent.settings import Settings
from causeway_wire import codec
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired, Full, FullNetwork
from causeway_wire.public_rules import Protocol, PublicRule, PublicRules
from tests.full_site import (
    DENIED4,
    INTERNET4,
    INTERNET6,
    NEIGHBOUR4,
    OTHER4,
    PROVIDER4,
    PUBLIC4,
    PUBLIC6,
    ROOT,
    VM4,
    VM6,
    apply,
    asks,
    document,
    element,
    publish,
    standing,
)
from tests.wired import BOX, FAR, UPLINK, VLAN, drops, pings, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

FULL = document(Full(networks=(FullNetwork(network="net-0", internet=True), FullNetwork(network="net-1"))))
LIE = "172.16.9.9"
TRIES = 4
"""Namespaces are not silent: routers are looked for and groups reported (RFC 4861, RFC 3810) any time."""


def rule(name: str, public: str, port: int, internal: str, inner: int, *, udp: bool = False) -> PublicRule:
    return PublicRule(
        id=name,
        public_address=ip_address(public),
        public_port=port,
        internal_address=ip_address(internal),
        internal_port=inner,
        protocol=Protocol.UDP if udp else Protocol.TCP,
    )


RULES = (
    rule("web", PUBLIC4, 80, VM4, 80),
    rule("web6", PUBLIC6, 80, VM6, 80),
    rule("ssh", PUBLIC4, 2222, VM4, 22),
    rule("other", PUBLIC4, 8080, OTHER4, 80),
    rule("names", PUBLIC4, 5353, OTHER4, 53, udp=True),
)
FEW = PublicRule(
    id="few",
    public_address=ip_address(PUBLIC4),
    public_port=8444,
    internal_address=ip_address(VM4),
    internal_port=80,
    sources=(ip_network("203.0.113.0/24"),),
)


@dataclass(frozen=True)
class Sent:
    """A packet that is really sent, and where from."""

    space: str
    source: str
    destination: str
    kind: str
    port: int | None = None
    entry: str | None = None

    def line(self) -> str:
        return f"{self.source} {self.destination} {self.kind} {self.port or '-'} {self.entry or '-'}"

    def answered(self) -> bool:
        if self.port is None:
            return pings(self.space, self.destination, source=self.source)
        return asks(self.space, self.source, self.destination, self.port, kind=self.kind) != "nothing"


PACKETS = (
    Sent(UPLINK, INTERNET4, PUBLIC4, "tcp", 80),
    Sent(UPLINK, INTERNET6, PUBLIC6, "tcp", 80),
    Sent(UPLINK, INTERNET4, PUBLIC4, "tcp", 2222),
    Sent(UPLINK, INTERNET4, PUBLIC4, "udp", 5353),
    Sent(UPLINK, INTERNET4, PUBLIC4, "tcp", 8444),
    Sent(UPLINK, INTERNET4, PUBLIC4, "icmp"),
    Sent(UPLINK, INTERNET4, PUBLIC4, "tcp", 22),
    Sent(UPLINK, INTERNET4, PUBLIC4, "tcp", 81),
    Sent(UPLINK, PROVIDER4, PUBLIC4, "tcp", 8444),
    Sent(UPLINK, PROVIDER4, PUBLIC4, "tcp", 80),
    Sent(UPLINK, DENIED4, PUBLIC4, "tcp", 80),
    Sent(UPLINK, "192.168.1.99", PUBLIC4, "tcp", 80, "eth0"),
    Sent(VLAN, VM4, INTERNET4, "tcp", 80),
    Sent(VLAN, VM6, INTERNET6, "tcp", 80),
    Sent(VLAN, NEIGHBOUR4, INTERNET4, "udp", 53),
    Sent(FAR, OTHER4, INTERNET4, "tcp", 80),
    Sent(VLAN, VM4, OTHER4, "tcp", 80),
    Sent(VLAN, VM4, PROVIDER4, "tcp", 80),
    Sent(VLAN, VM4, DENIED4, "tcp", 80),
    Sent(VLAN, NEIGHBOUR4, PUBLIC4, "tcp", 80),
    Sent(FAR, OTHER4, PUBLIC4, "tcp", 80),
    Sent(VLAN, VM4, "192.168.0.1", "icmp"),
    Sent(VLAN, VM4, "192.168.0.1", "tcp", 8443),
    Sent(VLAN, VM4, "192.168.0.1", "tcp", 80),
    Sent(VLAN, LIE, INTERNET4, "tcp", 80, "eth1"),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site with its rules, and the disk of an appliance with this document; the settings file."""
    directory = tmp_path_factory.mktemp("appliance")
    with standing():
        apply(FULL)
        for one in RULES:
            publish(
                str(one.public_address),
                one.public_port,
                str(one.internal_address),
                one.internal_port,
                protocol=one.protocol,
            )
        for name, to in (("public_from4", f" : {VM4} . 80"), ("published_from4", "")):
            element("add", name, f"{PUBLIC4} . tcp . 8444 . {FEW.sources[0]}{to}")
        for version, published in ((4, {VM4: PUBLIC4, OTHER4: PUBLIC4}), (6, {VM6: PUBLIC6})):
            for internal, public in published.items():
                element("add", f"source{version}", f"{internal} : {public}")
        for space in (VLAN, FAR):  # an answer that is dropped is not sent again
            within(space, "sysctl", "-qw", "net.ipv4.tcp_synack_retries=0")
        yield disk(directory, FULL)


def disk(directory: Path, desired: Desired) -> Path:
    storage = DirectoryStorage(directory / "state")
    journal = Journal(storage)
    journal.recover()
    change = Change(
        id="1", generation=1, epoch=1, state=ChangeState.DONE, requested_by="test", created=datetime.now(UTC)
    )
    journal.prepare(change, desired)
    journal.commit()
    rules = RulesJournal(storage)
    table = codec.encode(PublicRules(revision=1, epoch=1, rules=(*RULES, FEW)))
    rules.commit(rules.stage(1, table))
    told = Settings(
        appliance=desired.appliance,
        management=desired.management,
        nics=desired.nics,
        controller_ca="",
        state_directory=str(directory / "state"),
        run_directory=str(directory),
    )
    file = directory / "agent.json"
    file.write_bytes(codec.encode(told))
    return file


def explained(settings: Path, packets: tuple[Sent, ...]) -> list[dict[str, Any]]:
    """What explain says of each, asked in one go."""
    done = subprocess.run(
        ("ip", "netns", "exec", BOX, sys.executable, "-m", "tests.explained", str(settings)),
        input="".join(packet.line() + "\n" for packet in packets),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def explanations(settings: Path) -> dict[Sent, dict[str, Any]]:
    return dict(zip(PACKETS, explained(settings, PACKETS), strict=True))


def test_the_packets_are_of_every_kind(explanations: dict[Sent, dict[str, Any]]) -> None:
    counted = {found["counter"] for found in explanations.values()}
    every = {
        "drop_spoofed",
        "drop_management",
        "drop_unpublished",
        "drop_input",
        "drop_denied",
        "drop_forward",
    }
    assert counted == {None, *every}


@pytest.mark.parametrize("packet", PACKETS, ids=Sent.line)
def test_a_packet_does_what_explain_says(packet: Sent, explanations: dict[Sent, dict[str, Any]]) -> None:
    found = explanations[packet]
    expected = {found["counter"]} - {None}
    grown: set[str] = set()
    # A gateway that is not known yet is asked for in the packet's own name, and nobody answers a liar.
    assert pings(VLAN, "192.168.0.1", source=VM4)
    for _ in range(TRIES):
        before = drops()
        assert packet.answered() == found["works"], found["lines"]
        grown = {name for name, count in drops().items() if count > before[name]} - {"drop_arp"}
        assert expected <= grown, found["lines"]
        if expected == grown:
            return
    pytest.fail(f"{grown}: {found['lines']}")


def test_it_tells_the_value_of_the_counter(settings: Path) -> None:
    packet = Sent(UPLINK, INTERNET4, PUBLIC4, "udp", 81)
    before = drops()["drop_unpublished"]
    assert not packet.answered()
    told = "\n".join(explained(settings, (packet,))[0]["lines"])
    assert f"counter drop_unpublished: {before + 1} packets" in told


def test_the_translated_source_is_the_one_that_is_seen(explanations: dict[Sent, dict[str, Any]]) -> None:
    outward = {VM4: (VLAN, INTERNET4), NEIGHBOUR4: (VLAN, INTERNET4), VM6: (VLAN, INTERNET6)}
    for source, (space, target) in outward.items():
        told = next(
            "\n".join(found["lines"])
            for packet, found in explanations.items()
            if (packet.source, packet.destination) == (source, target)
        )
        assert f"leaves with source {asks(space, source, target, 80)};" in told
